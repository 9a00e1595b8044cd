"""A web server on this machine that misbehaves as told: what download code has to live with."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Files by path, and the manners of the server. `asked` gathers (path, Range header) of every request."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"1"'  # '' for a server that sends none
    ranges: bool = True  # False: every answer is the whole file
    heeds_if_range: bool = True  # False: sends the range even when the file is another one by now
    says_length: bool = True
    cuts: list[int] = field(default_factory=list)  # the n-th answer breaks off after so many bytes; -1: it doesn't
    always_cut: int = -1  # every answer breaks off after so many bytes
    statuses: list[int] = field(default_factory=list)  # the n-th answer is only this status
    silence: float = 0.0  # seconds before an answer
    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""


@contextlib.contextmanager
def serving(site: Site) -> Iterator[Site]:
    """`site.address` is `http://127.0.0.1:PORT` while in the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range", "")
        site.asked.append((self.path, wanted))
        time.sleep(site.silence)
        status = site.statuses.pop(0) if site.statuses else 0
        if status or self.path not in site.files:
            return self._answer(status or 404)
        data = site.files[self.path]
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        same = self.headers.get("If-Range", site.etag) == site.etag or not site.heeds_if_range
        if not (match and site.ranges and same):
            headers = {"Content-Length": str(len(data))} if site.says_length else {}
            return self._answer(200, data, headers)
        start = int(match[1])
        if start >= len(data):
            return self._answer(416, headers={"Content-Range": f"bytes */{len(data)}"})
        span = {
            "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
            "Content-Length": str(len(data) - start),
        }
        return self._answer(206, data[start:], span)

    def _answer(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.site.etag and status in (200, 206):
            self.send_header("ETag", self.site.etag)
        self.end_headers()
        cut = self.site.cuts.pop(0) if self.site.cuts and data else self.site.always_cut
        with contextlib.suppress(OSError):  # the other side may have gone
            self.wfile.write(data if cut < 0 else data[:cut])

    def log_message(self, *args: object) -> None:
        pass
