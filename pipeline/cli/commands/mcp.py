"""mcp: the tools of agents, over stdio or HTTP."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Annotated

import typer

READY_SECONDS = 60.0


def register(app: typer.Typer) -> None:
    app.command()(mcp)


def mcp(
    api: Annotated[
        str, typer.Option(help="A Semblance that runs, such as http://127.0.0.1:8501; default: one of its own")
    ] = "",
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP on this machine in place of stdio")] = False,
    port: Annotated[int, typer.Option(help="Of --http: the next free port from here on is used")] = 8503,
) -> None:
    """Let agents search, look through and tag galleries (Model Context Protocol). SEMBLANCE_TOKEN: the API's token."""
    from pipeline.access.agent_tools import AgentTools
    from pipeline.access.client import Semblance
    from pipeline.access.mcp_server import mcp_server
    from pipeline.cli import servers

    with contextlib.nullcontext(api) if api else _own_api() as address:
        server = mcp_server(AgentTools(Semblance(address, timeout=300)))
        if http:
            chosen = servers.free_port(port)
            print(f"Semblance for agents: http://127.0.0.1:{chosen}/mcp  (Ctrl-C ends it)", flush=True)
            server.run("streamable-http", host="127.0.0.1", port=chosen)
        else:
            server.run("stdio")


@contextlib.contextmanager
def _own_api() -> Iterator[str]:
    """The API alone, on a free port, which ends with this process whatever ends it. SemblanceError when it does not start."""
    from pipeline import ROOT
    from pipeline.cli import servers
    from pipeline.errors import SemblanceError
    from pipeline.settings import Settings

    port = servers.free_port(8600)
    environment = os.environ | servers.api_environment() | {servers.WITH_PARENT: str(os.getpid())}
    environment["SEMBLANCE_HOME"] = str(Settings().home.absolute())
    command = servers.api_command(port)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=quiet, stdout=quiet, stderr=quiet) as child:
        try:
            until = time.monotonic() + READY_SECONDS
            while not servers.listens(port):
                if child.poll() is not None or time.monotonic() > until:
                    raise SemblanceError("the API did not start; `python -m pipeline serve` says why")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()
