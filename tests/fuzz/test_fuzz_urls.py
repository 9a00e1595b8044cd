"""Addresses of any text: a route gives the pictures it is there for and nothing else, a page draws or says why not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import own_loop
import pytest
from cases import Escape, cases, count, slow_cases
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest
from tiny_gallery import fill, photos

import streamlit_app
from app.server import routes, store
from pipeline import ROOT
from pipeline.settings import Settings

MAIN = str(ROOT / "app" / "main.py")
SECRET = b"what nobody outside may read"
PIECES = ["..", ".", "", "%2e%2e", "%2F", "%5c", "\\", "%00", "%0d%0a", "~", "C:", "file:", "//", "*", "?", "#", ";", "…",
          "small", "thumbnails", "secret.jpg", "secret", "etc", "passwd", "static", "app", "runs", "one", "pictures",
          "galleries", "a" * 300, "0" * 32, ".jpg", ".bin", "%ff", "%c0%ae", "%252e"]  # fmt: skip
BASES = ["/app/static/thumbnails/", "/app/static/runs/", "/app/static/blobs/", "/readyz", "/app/static/", "/"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A gallery and a run with pictures; secrets stand beside everything that may be asked for."""
    folder = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMBLANCE_HOME", str(folder / "home"))
        patch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
        fill(photos(folder / "photos", 3))
        pictures = folder / "home" / "runs" / "one" / "triplets"
        pictures.mkdir(parents=True)
        for place in ("", "home", "home/galleries", "home/galleries/small", "home/galleries/small/thumbnails", "home/runs", "home/runs/one"):  # fmt: skip
            for name in ("secret.jpg", "secret.bin", "secret"):
                (folder / place / name).write_bytes(SECRET)
        yield folder / "home"
        store.release()


def asked(raw: str) -> tuple[int, bytes]:
    """Status and body for a path as it stands in a request's first line; decoded as uvicorn does."""
    routed = Starlette(routes=streamlit_app.app._user_routes)
    path, _, query = raw.partition("?")
    scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode("ascii", "ignore"),
             "query_string": query.encode("ascii", "ignore"), "headers": [], "http_version": "1.1", "root_path": "",
             "scheme": "http", "server": ("localhost", 80), "client": ("127.0.0.1", 1)}  # fmt: skip
    sent = []
    bodies = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, object]:
        for body in bodies:
            return body
        await asyncio.Event().wait()  # the browser stays
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    own_loop.run(routed(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


paths = st.builds(
    lambda base, parts, tail: base + "/".join(parts) + tail,
    st.sampled_from(BASES),
    st.lists(st.sampled_from(PIECES) | st.text(max_size=6).map(lambda text: quote(text, safe="")), max_size=6),
    st.sampled_from(["", ".jpg", ".bin", "/", "?v=1", "/.jpg", "%00.jpg"]),
)


@cases
@given(paths)
def test_a_route_gives_its_own_pictures_and_nothing_else(home: Path, path: str) -> None:
    count("addresses of routes")
    status, body = asked(path)
    if SECRET in body or str(home).encode() in body or (status == 200 and not path.startswith("/readyz") and body):
        raise Escape(f"{path}: {status} {body[:80]!r}")
    assert status in (200, 307, 404, 503)


def test_the_right_address_is_answered(home: Path) -> None:
    """The other tests could not fail if no address were."""
    file = next((home / "galleries" / "small" / "thumbnails").rglob("*.jpg"))
    if file.read_bytes() == SECRET:
        file = next(one for one in file.parent.parent.rglob("*/*.jpg") if one.read_bytes() != SECRET)
    status, body = asked(f"/app/static/thumbnails/small/{file.stem}.jpg")
    assert (status, body[:2]) == (200, b"\xff\xd8")
    assert file.read_bytes().startswith(body)
    assert asked(routes.publish(b"bytes")) == (200, b"bytes")


PAGES = ["search", "explore", "evaluate", "indexes", "galleries", "training"]
NAMES = ["gallery", "ids", "like", "unlike", "where", "k", "collapse", "by_label", "keep_query", "upload", "section",
         "reports", "runs", "map", "colour", "run", "x"]  # fmt: skip
values = (
    st.sampled_from(["small", "../small", "small\0", "..", "/etc/passwd", "label=cup", "label=" + '"' * 9, "label!=", "nan",
                     "inf", "-1", "1e999", "٣", "²", "9" * 400, "<script>", "{", "map", "duplicates", "f" * 32, "", "\ud800"])
    | st.text(max_size=20)
)  # fmt: skip


@slow_cases
@given(st.sampled_from(PAGES), st.dictionaries(st.sampled_from(NAMES) | st.text(min_size=1, max_size=6), st.lists(values, min_size=1, max_size=3), max_size=5))  # fmt: skip
def test_a_page_draws_with_any_address(home: Path, page: str, params: dict[str, list[str]]) -> None:
    count("addresses of pages")
    app = AppTest.from_file(MAIN, default_timeout=120)
    if page != "search":
        app.switch_page(f"views/{page}.py")
    for name, given_values in params.items():
        with contextlib.suppress(UnicodeEncodeError):  # no browser sends half a character
            [value.encode() for value in (name, *given_values)]
            app.query_params[name] = given_values
    app.run()
    assert not app.exception, (params, app.exception)
    shown = repr([element.value for element in (*app.markdown, *app.text, *app.error)])
    if SECRET.decode() in shown:
        raise Escape(str(params))


def test_settings_name_the_home_of_this_test(home: Path) -> None:
    assert Settings().home == home
