"""An app that strangers reach shows them no path of its machine and no stack trace, whatever is broken."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from exposed_app import Exposed, exposed, filled
from playwright.sync_api import Browser, Page, WebSocket, expect
from tiny_gallery import ROOT, draw

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)
PAGES = ["", "?gallery=small", "galleries", "explore", "evaluate", "indexes", "training"]


def broken_home(folder: Path) -> None:
    """A home in which much is wrong, each with an error that names a path."""
    home = folder / "home"
    filled(home, folder / "pictures of mine")
    galleries = home / "galleries"
    for name in ("torn", "headless"):
        shutil.copytree(galleries / "small", galleries / name)
    for part in (galleries / "torn").rglob("*.parquet"):
        part.write_bytes(part.read_bytes()[:-50])
    (galleries / "headless" / "gallery.json").write_text("{")
    for one in home.glob("milvus.db*"):
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    (home / "milvus.db").write_text("no database")
    for name, text in {
        "damaged": "{",
        "told": json.dumps({"command": f"python -m training train --data {home}/data", "error": f"no {home}/data"}),
    }.items():
        (home / "runs" / name).mkdir(parents=True)
        (home / "runs" / name / "run.json").write_text(text)
    for number, says in enumerate(
        [f"error: cannot read {home}/x y/z.jpg", f'File "{ROOT}/pipeline/ingest/ingest.py", line 1']
    ):
        job = home / "jobs" / f"2026010{number}-000000-abcdef"
        job.mkdir(parents=True)
        facts = {
            "id": job.name,
            "title": "Ingest",
            "gallery": "small",
            "command": ["pipeline"],
            "started": 0.0,
            "pid": 1,
        }
        (job / "job.json").write_text(json.dumps(facts))
        (job / "err.txt").write_text(says)
        (job / "out.txt").write_text(f"written to {home}/galleries/small")
        (job / "exit.txt").write_text(str(number))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    folder = tmp_path_factory.mktemp("the machine")
    broken_home(folder)
    (folder / "open").mkdir()
    with exposed(folder, SEMBLANCE_FOLDERS=str(folder / "open")) as one:
        yield one


class Heard:
    """Every byte that reached the browser of one page."""

    def __init__(self, page: Page) -> None:
        self.frames: list[bytes] = []
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda frame: self.frames.append(frame if isinstance(frame, bytes) else frame.encode())
        )

    def secrets(self, app: Exposed) -> list[bytes]:
        """What of this machine was in it, each with what stood around it."""
        said = b"\n".join(self.frames)
        assert len(said) > 1_000, "something must have been heard"
        told = [str(app.home.parent), str(ROOT), str(Path.home() / "."), "Traceback", "site-packages"]
        pattern = b".{0,80}(?:" + b"|".join(re.escape(one.encode()) for one in told if len(one) > 5) + b").{0,80}"
        return re.findall(pattern, said, re.DOTALL)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def settled(page: Page) -> None:
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator("[data-test-script-state=running]")).to_have_count(0)


@pytest.mark.parametrize("path", [*PAGES, *(f"{name}?gallery=torn" for name in ("", "explore", "evaluate", "indexes"))])
def test_no_page_names_a_path_of_the_machine(app: Exposed, page: Page, path: str) -> None:
    heard = Heard(page)
    page.goto(f"{app.address}/{path}")
    settled(page)
    assert heard.secrets(app) == []


def test_what_is_wrong_is_still_said(app: Exposed, page: Page) -> None:
    page.goto(f"{app.address}/galleries")
    settled(page)
    text = page.locator("[data-testid=stMain]")
    expect(text).to_contain_text("gallery.json")
    expect(text).to_contain_text("cannot read …/")
    page.goto(f"{app.address}/training")
    expect(page.locator("[data-testid=stMain]")).to_contain_text("run.json")


def test_a_visitor_makes_galleries_of_open_folders_only(app: Exposed, page: Page, tmp_path: Path) -> None:
    heard = Heard(page)
    draw(app.home.parent / "open" / "a.png", 1)
    draw(app.home.parent / "closed" / "a.png", 1)
    page.goto(f"{app.address}/galleries")
    page.get_by_role("button", name="New gallery").click()
    for folder in ("closed", "open/../closed", "opened"):
        page.get_by_role("textbox", name="Folder").fill(str(app.home.parent / folder))
        page.get_by_role("button", name="Make gallery").click()
        expect(page.get_by_text("no such file or folder is open to visitors")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="New gallery").click()
    assert not list(app.home.glob("galleries/closed*"))
    page.get_by_role("textbox", name="Folder").fill(str(app.home.parent / "open"))
    page.get_by_role("button", name="Make gallery").click()
    expect(page.get_by_text("Ingest into open").first).to_be_visible()
    assert heard.frames


def test_a_picture_that_is_none_is_refused_and_the_next_one_is_asked_with(app: Exposed, page: Page) -> None:
    heard = Heard(page)
    page.goto(f"{app.address}/?gallery=small")
    settled(page)
    whole = draw(app.home.parent / "asked.png", 3).read_bytes()
    for name, data in {"cut.png": whole[:-30], "text.png": b"hello"}.items():
        page.set_input_files("input[type=file]", {"name": name, "mimeType": "image/png", "buffer": data})
        expect(page.get_by_text(f"{name}:")).to_be_visible()
    page.set_input_files("input[type=file]", {"name": "asked.png", "mimeType": "image/png", "buffer": whole})
    page.wait_for_selector(".st-key-hits .tile")
    assert heard.secrets(app) == []


def test_a_fault_of_ours_is_a_sentence_with_a_number_and_the_log_holds_the_rest(
    browser: Browser, tmp_path: Path
) -> None:
    plant = """
import app.search.query_state
def fault():
    raise RuntimeError('the secret is in /srv/secret')
app.search.query_state.of_address = fault
"""
    with exposed(tmp_path, plant=plant) as app:
        context = browser.new_context()
        page = context.new_page()
        heard = Heard(page)
        page.goto(f"{app.address}/?gallery=small")
        expect(page.get_by_text("Something went wrong here")).to_be_visible()
        number = re.search(r"reference ([0-9a-f]{8})", page.locator("[data-testid=stMain]").inner_text())
        assert number
        assert heard.secrets(app) == []
        assert not any(b"/srv/secret" in frame or b"RuntimeError" in frame for frame in heard.frames)
        log = app.home / "logs" / "app.jsonl"
        deadline = time.monotonic() + 10
        while number[1] not in log.read_text() and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        [line] = [json.loads(line) for line in log.read_text().splitlines() if number[1] in line]
        assert "RuntimeError: the secret is in /srv/secret" in line["stack"]
        context.close()
