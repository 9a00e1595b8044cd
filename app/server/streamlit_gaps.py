"""Two gaps of Streamlit, closed.

The page: Tells a page where the app begins. Streamlit's page guesses: of /galleries it asks /galleries/_stcore/health first, and
every direct load of a page then logs two answers of 404.

The session: Streamlit drops the last messages of a run when a fragment asks for a rerun just after it: the page then lacks what they
drew, for good. Here they are sent first (github.com/streamlit/streamlit/issues/9921 tells of the same gap).

A script's thread posts its messages to the event loop. When it has ended before they were handled, a fragment's request
makes a new runner, and AppSession ignores what came from another than the current one. On a busy machine that is often: a
job's list asks each second, also at the moment at which the page is drawn with what the job has made.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

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


_as_it_is = AppSession.request_rerun


def _request_rerun(self: Any, client_state: Any) -> None:
    runner = self._scriptrunner
    if client_state and client_state.fragment_id and runner and runner._requests._state == ScriptRequestType.STOP:
        self._event_loop.call_soon(_as_it_is, self, client_state)  # behind what the runner has posted
    else:
        _as_it_is(self, client_state)


def last_messages_first() -> None:
    """From now on, in every session of this process."""
    AppSession.request_rerun = _request_rerun  # type: ignore[method-assign]
