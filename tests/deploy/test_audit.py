"""The audit's three ends, with the real pip-audit and an OSV service on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.audit import audit

pytest.importorskip("pip_audit")
HOLE = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "a hole",
    "details": "a hole",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "filelock", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.17.0"}]}],
        }
    ],
}


@pytest.fixture
def service() -> Iterator[str]:
    """Knows one hole, in filelock before 3.17."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hit = (asked["package"]["name"], asked["version"]) == ("filelock", "3.16.0")
            answer = json.dumps({"vulns": [HOLE]} if hit else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def audited(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    def audited_list(url: str, *packages: str, excused: str = "", seconds: float = 55) -> tuple[int, str]:
        (tmp_path / "list.txt").write_text("\n".join(packages))
        options = ["-s", "osv", "--osv-url", url, "-r", str(tmp_path / "list.txt"), "--no-deps", "--disable-pip"]
        code = audit(options, excused=excused, seconds=seconds)
        return code, capfd.readouterr().out

    return audited_list


def test_packages_without_a_hole_pass(service: str, audited) -> None:
    assert audited(service, "filelock==3.17.0", "rich==13.0.0") == (0, "audited 2 packages, 0 known holes\n")


def test_a_known_hole_fails_and_is_named_with_the_version_that_mends_it(service: str, audited) -> None:
    code, out = audited(service, "filelock==3.16.0", "rich==13.0.0")
    assert code == 1
    first, last = out.splitlines()
    assert first == "filelock 3.16.0: PYSEC-2026-1 CVE-2026-1; fixed in 3.17.0"
    assert last == "audited 2 packages, 1 known holes"


def test_a_service_that_cannot_be_reached_fails(audited) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        code, out = audited(f"http://127.0.0.1:{taken.getsockname()[1]}/", "filelock==3.16.0")
    assert (code, out[:13]) == (3, "NOT audited: ")


def test_a_service_that_never_answers_fails_unless_that_is_expected(audited) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        plain = audited(address, "filelock==3.16.0", seconds=4)
        excused = audited(address, "filelock==3.16.0", excused="no way out", seconds=4)
    assert plain == (3, "NOT audited: no answer within 4 s\n")
    assert excused == (0, "NOT audited: no answer within 4 s; excused: no way out\n")


def test_a_service_that_knows_no_package_is_no_clean_bill(capfd: pytest.CaptureFixture[str], monkeypatch) -> None:
    """What pip-audit prints, with exit 0, behind a mirror of PyPI that has no pages of single packages."""
    import subprocess

    said = {"dependencies": [{"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be audited"}]}
    done = subprocess.CompletedProcess([], 0, stdout=json.dumps(said), stderr="No known vulnerabilities found")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert audit() == 3
    assert capfd.readouterr().out == "NOT audited: the service knows none of the 1 packages\n"
