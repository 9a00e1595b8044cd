"""How much uploads may hold in memory: Streamlit takes every file whole, from any open page, until its visit ends.

A file that is too much arrives without its bytes. A refusal would be `AxiosError: … status code 413` on the page; so the
page itself says a sentence.
"""

from __future__ import annotations

import re
from collections import Counter, deque

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import get_instance

from app.server import memory
from pipeline.settings import Settings, exposed

SHARE = 8  # one part of so many of the memory is for uploads
LEAST = 256 << 20  # bytes: the largest upload that a page takes, and some
MAX_HEAD = 1 << 16
_PATH = re.compile(r".*/_stcore/upload_file/([^/]+)/([^/]+)")
_refused: deque[str] = deque(maxlen=1_000)  # ids of files


def limits() -> tuple[int, int]:
    """Bytes of one visit, of all."""
    everybody = max(LEAST, memory.total() // SHARE)
    return min(everybody, int(Settings().visitor_uploads * 1e9)) if exposed() else everybody, everybody


def was_refused(file_id: str) -> bool:
    return file_id in _refused


def refusal() -> str:
    one, everybody = limits()
    return (
        f"more was uploaded at once than is held here ({one / 1e6:,.0f} MB a visit, {everybody / 1e6:,.0f} MB of all "
        "visitors), so this file was let go; send fewer or smaller files at a time, or try again later"
    )


class Intake:
    """ASGI middleware around Streamlit's upload address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._coming: Counter[str] = Counter()  # bytes that requests of a visit are sending just now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        visit, file_id = found.groups()
        length = Headers(scope=scope).get("content-length", "")
        if not (length.isascii() and length.isdecimal()):
            await PlainTextResponse("say how long the file is", status_code=411)(scope, receive, send)
            return
        held, all_held = _held(visit)
        one, everybody = limits()
        size = int(length)
        if self._coming[visit] + held + size > one or self._coming.total() + all_held + size > everybody:
            _refused.append(file_id)
            await self._app(scope, _without_bytes(receive), send)
            return
        self._coming[visit] += size
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming[visit] -= size
            self._coming += Counter()  # drops the zeros


def _held(visit: str) -> tuple[int, int]:
    """Bytes that Streamlit keeps for this visit, and for all."""
    storage = getattr(get_instance().uploaded_file_mgr, "file_storage", {})
    sizes = {name: sum(len(file.data) for file in list(files.values())) for name, files in list(storage.items())}
    return sizes.get(visit, 0), sum(sizes.values())


def _without_bytes(receive: Receive) -> Receive:
    """The request's body with the name of its file and nothing in it; what comes is read and let go at once."""

    async def emptied() -> Message:
        head, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return message
            more = message.get("more_body", False)
            if b"\r\n\r\n" not in head and len(head) < MAX_HEAD:
                head += message.get("body", b"")
        boundary, head = head.partition(b"\r\n")[0], head.partition(b"\r\n\r\n")[0]
        return {"type": "http.request", "body": head + b"\r\n\r\n\r\n" + boundary + b"--\r\n", "more_body": False}

    return emptied
