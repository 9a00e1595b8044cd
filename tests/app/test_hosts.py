"""The app answers to the names it was given and to pages of its own, on every route and on the websocket."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import listeners
import pytest
from exposed_app import Exposed, exposed
from streamlit import config
from tiny_gallery import ROOT

from app.server import hosts
from pipeline.cli.commands import demo
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings

NAME = "gallery.example.org"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    """Started as anybody starts it: no word about hosts, and not exposed."""
    with exposed(tmp_path_factory.mktemp("plain"), SEMBLANCE_EXPOSED="0") as one:
        yield one


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    """Started for one name, as deploy/nginx.conf says."""
    with exposed(tmp_path_factory.mktemp("named"), f"--server.allowedHosts={NAME}") as one:
        yield one


def port_of(app: Exposed) -> int:
    return int(app.address.rpartition(":")[2])


def ask(app: Exposed, path: str, *lines: str, method: str = "GET") -> tuple[int, str]:
    """Status and headers of a request whose header lines are exactly these; urllib would put Host right."""
    asked = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "Connection: close", "Content-Length: 0", "", ""])
    return sent(app, asked)


def websocket(app: Exposed, *lines: str) -> int:
    key = base64.b64encode(os.urandom(16)).decode()
    wanted = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    return sent(app, "\r\n".join(["GET /_stcore/stream HTTP/1.1", *lines, *wanted, "", ""]))[0]


def sent(app: Exposed, text: str) -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", port_of(app)), timeout=20) as one:
        one.sendall(text.encode("latin-1"))
        answer = b""
        while b"\r\n\r\n" not in answer and (more := one.recv(65536)):
            answer += more
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    return int(head.split(" ")[1]), head


def paths(app: Exposed) -> list[str]:
    """One of each kind: the page, Streamlit's own, and every route of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMBLANCE_HOME", str(app.home))
        picture = min(open_gallery("small", Settings()).ids())
    return [
        "/",
        "/galleries",
        "/_stcore/health",
        "/_stcore/host-config",
        "/_stcore/metrics",
        "/readyz",
        "/api/v1/galleries",
        f"/app/static/thumbnails/small/{picture}.jpg",
        f"/app/static/wholes/small/{picture}.jpg",
        "/app/static/runs/one/two.jpg",
        "/app/static/blobs/00.bin",
        "/media/none.png",
        "/nowhere",
    ]


def foreign(port: int) -> list[list[str]]:
    """Header lines by which another site's name, or none, would come in."""
    return [
        ["Host: evil.example"],
        [f"Host: evil.example:{port}"],
        ["Host: localhost.evil.example"],
        ["Host: evil.example.localhost"],
        ["Host: 127.0.0.1.evil.example"],
        ["Host: 127.0.0.2"],
        ["Host: 0.0.0.0"],
        ["Host: 2130706433"],
        ["Host: [::ffff:127.0.0.1]"],
        ["Host: [::1].evil.example"],
        ["Host: localhost@evil.example"],
        ["Host: evil.example#@localhost"],
        ["Host: evil.example/localhost"],
        ["Host: localhost:99999"],
        ["Host: [::1"],
        ["Host: "],
        ["Host: evil.example", "X-Forwarded-Host: localhost"],
        ["Host: evil.example", "Forwarded: host=localhost"],
        ["Host: evil.example", "Host: localhost"],
        ["Host: localhost", "Host: evil.example"],
        [],
    ]


def own(port: int) -> list[str]:
    return [
        f"localhost:{port}",
        f"127.0.0.1:{port}",
        f"[::1]:{port}",
        "localhost",
        f"LocalHost:{port}",
        f"localhost.:{port}",
    ]


def test_no_route_answers_to_a_foreign_name(app: Exposed) -> None:
    for path in paths(app):
        for lines in foreign(port_of(app)):
            assert ask(app, path, *lines)[0] in (400, 403), (path, lines)


def test_nothing_can_be_sent_under_a_foreign_name(app: Exposed) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        assert ask(app, "/_stcore/upload_file/a/b", "Host: evil.example", method=method)[0] == 403, method


def test_the_websocket_answers_to_no_foreign_name(app: Exposed) -> None:
    for lines in foreign(port_of(app)):
        assert websocket(app, *lines) in (400, 403), lines
        host = lines[0].partition(": ")[2] if lines else "localhost"
        assert websocket(app, *lines, f"Origin: http://{host}") in (400, 403), lines


def test_who_opens_it_on_this_machine_sees_no_difference(app: Exposed) -> None:
    for host in own(port_of(app)):
        for path in paths(app)[:8]:
            assert ask(app, path, f"Host: {host}")[0] in (200, 404, 503), (host, path)
        assert ask(app, "/", f"Host: {host}")[0] == 200
        assert websocket(app, f"Host: {host}", f"Origin: http://{host}") == 101, host
        assert websocket(app, f"Host: {host}") == 101, host


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:1",
        "http://127.0.0.1:1",
        "http://localhost",
        "null",
        "http://[::1",
        "file://",
        "",
        "http://localhost:{port}.evil.example",
        "ftp://localhost:{port}",
    ],
)
def test_a_page_of_another_site_or_port_gets_no_websocket_and_sends_nothing(app: Exposed, origin: str) -> None:
    port = port_of(app)
    lines = (f"Host: localhost:{port}", f"Origin: {origin.replace('{port}', str(port))}")
    assert websocket(app, *lines) == 403
    for method in ("POST", "PUT", "DELETE"):
        assert ask(app, "/_stcore/upload_file/a/b", *lines, method=method)[0] == 403


def test_two_origins_are_none(app: Exposed) -> None:
    here = f"localhost:{port_of(app)}"
    assert websocket(app, f"Host: {here}", f"Origin: http://{here}", "Origin: http://evil.example") in (400, 403)


def test_every_answer_tells_browsers_what_to_refuse(app: Exposed) -> None:
    for path in [*paths(app), "/static/none.js"]:
        head = ask(app, path, "Host: localhost")[1].lower()
        for name in hosts.HEADERS:
            assert head.count(f"\r\n{name.lower()}:") == 1, (path, name, head)
    assert "img-src 'self' data: blob:" in head
    assert "frame-ancestors 'none'" in head
    refused = ask(app, "/", "Host: evil.example")[1].lower()
    assert "x-content-type-options: nosniff" in refused
    assert "evil.example" not in refused


def test_one_setting_adds_a_name_and_health_checks_go_on(named: Exposed) -> None:
    for host in (NAME, NAME.upper(), f"{NAME}.", f"{NAME}:443"):
        assert ask(named, "/", f"Host: {host}")[0] == 200
        assert websocket(named, f"Host: {host}", f"Origin: https://{host}") == 101
    assert ask(named, "/", f"Host: not.{NAME}")[0] == 403
    assert ask(named, "/readyz", f"Host: 127.0.0.1:{port_of(named)}")[0] in (200, 503)
    assert websocket(named, "Host: localhost", "Origin: http://localhost") == 101


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_app_listens_on_its_own_port_and_nothing_else(app: Exposed) -> None:
    while not (app.home / "milvus.db.holder.json").exists() or not listeners.unix(app.process.pid):
        time.sleep(0.1)  # the store is opened beside the start
    assert ask(app, "/readyz", "Host: localhost")[0] in (200, 503)
    assert listeners.tcp(app.process.pid) == {port_of(app)}


def test_the_demo_takes_a_name_along(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Ended(subprocess.Popen):
        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)
            super().__init__([sys.executable, "-c", ""])

    monkeypatch.setattr(subprocess, "Popen", Ended)
    assert demo.serve(8501, [NAME, "two.example.org"]) == 0
    assert started[0][-2:] == [f"--server.allowedHosts={NAME}", "--server.allowedHosts=two.example.org"]


def test_an_empty_list_is_not_everybody() -> None:
    before = config.get_option(hosts.OPTION)
    try:
        config.set_option(hosts.OPTION, [])
        assert not hosts.answers_to(["evil.example"]), "to Streamlit it is"
        hosts.apply()
        assert hosts.answers_to(["localhost:8501"])
        assert not hosts.answers_to(["evil.example"])
    finally:
        config.set_option(hosts.OPTION, before)


def test_the_shipped_configuration_names_this_machine_alone() -> None:
    shipped = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert shipped["server"]["allowedHosts"] == list(hosts.LOOPBACK)
    assert shipped["server"]["address"] == "127.0.0.1"
    assert "corsAllowedOrigins" not in shipped["server"]


WATCHED = """
import socket
_asked = socket.getaddrinfo
def asked(host, *rest, **options):
    if str(host) not in ("localhost", "127.0.0.1", "0.0.0.0", "::1", "None", ""):
        print("ASKED OUTSIDE", host, flush=True)
        raise OSError("nobody outside is there")
    return _asked(host, *rest, **options)
socket.getaddrinfo = asked
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_no_start_and_no_foreign_page_makes_the_app_ask_outside_for_its_own_address(
    tmp_path: Path, address: str
) -> None:
    flags = (f"--server.address={address}", f"--server.allowedHosts={NAME}")
    with exposed(tmp_path, *flags, plant=WATCHED, SEMBLANCE_EXPOSED="0") as app:
        assert ask(app, "/", f"Host: {NAME}")[0] == 200
        assert websocket(app, f"Host: {NAME}", "Origin: http://evil.example") == 403
        assert websocket(app, f"Host: {NAME}", f"Origin: http://{NAME}") == 101
        assert "ASKED OUTSIDE" not in app.said()
        assert "localhost:" in app.said(), "the address is told"
