"""serve: the HTTP API without the pages."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    port: Annotated[int, typer.Option(help="The next free port from here on is used")] = 8502,
    bind: Annotated[str, typer.Option(help="The address to listen on; another than this machine's needs a token")] = (
        LOOPBACK[0]
    ),
    host: Annotated[list[str] | None, typer.Option(help="A further name it answers to, such as a proxy's")] = None,
) -> None:
    """Answer programs over HTTP, without the pages; an open app does so by itself."""
    from pipeline.access import tokens
    from pipeline.cli import servers
    from pipeline.errors import UsageError
    from pipeline.settings import Settings, exposed

    settings = Settings()
    if (bind not in LOOPBACK or exposed()) and not tokens.read(settings.home):
        raise UsageError(
            "others could reach it and nothing asks who they are; first: python -m pipeline tokens add NAME"
        )
    chosen = servers.free_port(port)
    print(f"Semblance API: http://{bind}:{chosen}/api/v1/  (Ctrl-C ends it)", flush=True)
    names = [*(host or ()), *([bind] if bind not in LOOPBACK else [])]
    sys.exit(servers.foreground(servers.api_command(chosen, bind), servers.api_environment(names)))
