"""Tells a page where the app begins. Streamlit's page guesses: of /galleries it asks /galleries/_stcore/health first, and
every direct load of a page then logs two answers of 404."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import VIEWS

_PAGES = "|".join(sorted(path.stem for path in VIEWS.glob("[!_]*.py")))
# what stands before a page's name stays: a proxy may serve the app under a path of its own
_SCRIPT = (
    "<head><script>window.__streamlit={BACKEND_BASE_URL:location.origin+location.pathname"
    f'.replace(/\\/(?:{_PAGES})\\/?$/,"/")}}</script>'
).encode()


class PageBase:
    """ASGI middleware: puts the address of the app into the head of Streamlit's page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        begun: list[Message] = []  # the head of an HTML answer, until its body is there
        body = b""

        async def answer(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = headers.get("content-type", "").startswith("text/html") and message["status"] == 200
                if is_page and scope["method"] == "GET" and "content-encoding" not in headers:
                    begun.append(message)
                    return
            elif begun:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                made = body.replace(b"<head>", _SCRIPT, 1)
                MutableHeaders(scope=begun[0])["content-length"] = str(len(made))
                await send(begun.pop())
                await send({"type": "http.response.body", "body": made})
                return
            await send(message)

        await self._app(_plain(scope), receive, answer)


def _plain(scope: Scope) -> Scope:
    """The request without its wish for compression, where it may be for a page: the page is small, and is read here."""
    if not any(name == b"accept" and b"text/html" in value for name, value in scope["headers"]):
        return scope
    return scope | {"headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
