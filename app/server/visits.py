"""Which browser asks: a cookie that lasts until the browser is closed, so that a page that is loaded anew finds its visit.

Streamlit begins a new session on every load, and tells them apart by nothing that outlives one.
"""

from __future__ import annotations

import hashlib
import re
import secrets

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "semblance_visit"
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 bits


class Visits:
    """ASGI middleware: gives a browser that has no cookie one with the first page. No script can read it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _VALUE.fullmatch(_cookies(scope).get(COOKIE, "")):
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    secure = "; Secure" if scope.get("scheme") == "https" else ""
                    value = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite=Lax{secure}"
                    headers.append("set-cookie", value)
            await send(message)

        await self._app(scope, receive, answer)


def visit() -> str:
    """This browser, and whoever is signed in with it, as 64 hex digits; "" outside of a page and without the cookie."""
    value = str(st.context.cookies.get(COOKIE, ""))  # a test of a page has a stand-in
    if not _VALUE.fullmatch(value):
        return ""
    person = st.user.get("email") if getattr(st.user, "is_logged_in", False) else ""
    return hashlib.sha256(f"{value} {person or ''}".encode()).hexdigest()


def _cookies(scope: Scope) -> dict[str, str]:
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    return cookie_parser("; ".join(sent))
