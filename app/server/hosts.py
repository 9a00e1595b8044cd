"""Which names the app answers to, and what it tells browsers to refuse: for every route, file and websocket alike.

A page of another site reaches an app on this machine in two ways. It points a name of its own at 127.0.0.1 (DNS
rebinding): the browser then sends that name as Host. Or it asks 127.0.0.1 itself: the browser then names the other site
as Origin. Streamlit looks at Host on the websocket only, and takes every port of localhost for its own.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

OPTION = "server.allowedHosts"
LOOPBACK = ("localhost", "127.0.0.1", "::1")  # no other site can make a browser send these
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d+)?")  # Streamlit reads [::1].evil.example as ::1
REFUSAL = (
    "This app does not answer to the name in your address bar. Open it as http://localhost or http://127.0.0.1 with its "
    "port; whoever runs it adds another name with --server.allowedHosts=NAME.\n"
)
# Streamlit's pages make code and styles while they run, and components and workers from blobs: hence the exceptions.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",  # frame-ancestors, for browsers that do not know it
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def apply() -> None:
    """Add loopback to the names that were configured: a health check asks there, whatever the app is called outside."""
    config.set_option(OPTION, list(dict.fromkeys([*config.get_option(OPTION), *LOOPBACK])))


class Guard:
    """ASGI middleware: refuses a foreign Host and a foreign Origin with 403, and sends `HEADERS` with every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        if not answers_to(headers.getlist("host")) or not comes_from_here(scope, headers):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the answer is 403
            else:
                await PlainTextResponse(REFUSAL, status_code=403)(scope, receive, answer)
            return
        await self._app(scope, receive, answer)


def answers_to(hosts: list[str]) -> bool:
    """Whether the request names one host, and it is one of `server.allowedHosts`; ports, case and a last dot are free."""
    return (
        len(hosts) == 1
        and _HOST.fullmatch(hosts[0]) is not None
        and bool(config.get_option(OPTION))
        and is_host_allowed(hosts[0])
    )


def comes_from_here(scope: Scope, headers: Headers) -> bool:
    """Whether a websocket, or a request that may change something, was made by a page of this app or by no page.

    Another port of the same machine is another site. `server.corsAllowedOrigins` names sites that may.
    """
    origins = headers.getlist("origin")
    if not origins or (scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS")):
        return True
    if len(origins) > 1:
        return False
    host, allowed = headers["host"].lower(), config.get_option("server.corsAllowedOrigins")
    # https too: a proxy that ends TLS passes Host on as it was
    return origins[0].lower() in {
        f"http://{host}",
        f"https://{host}",
        *(str(one).lower().rstrip("/") for one in allowed),
    }
