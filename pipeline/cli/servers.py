"""Servers that a verb starts and holds: the app, and the API alone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

HOSTS = "SEMBLANCE_SERVE_HOSTS"  # further names the API answers to
WITH_PARENT = "SEMBLANCE_SERVE_PARENT"  # the process that it ends with


def foreground(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run it in the foreground until it ends, Ctrl-C or SIGTERM, which it is given too; returns its exit code."""
    from pipeline import ROOT
    from pipeline.settings import Settings

    given = os.environ | {"SEMBLANCE_HOME": str(Settings().home.absolute())} | dict(environment or {})
    with subprocess.Popen(command, cwd=ROOT, env=given) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # it would go on, held by nobody
        try:
            return process.wait()
        except KeyboardInterrupt:  # Ctrl-C reached it as well
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
            return 0
        finally:
            signal.signal(signal.SIGTERM, before)


def api_command(port: int, bind: str = "127.0.0.1") -> list[str]:
    """What serves the API alone."""
    command = [sys.executable, "-m", "uvicorn", "app.api.alone:app", "--host", bind, "--port", str(port)]
    quiet = ["--log-level", "warning", "--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "5"]
    return command + quiet


def api_environment(hosts: Sequence[str] = ()) -> dict[str, str]:
    """Beside the own one: who starts it wants it on, unless SEMBLANCE_API says otherwise."""
    from pipeline.settings import Settings

    wanted = Settings().api
    return {HOSTS: " ".join(hosts), "SEMBLANCE_API": "true" if wanted is None else str(wanted)}


def listens(port: int) -> bool:
    """Whether somebody on this machine answers at the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on, on loopback."""
    from pipeline.errors import SemblanceError

    for port in range(first, min(first + 100, 65_536)):
        with socket.socket() as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise SemblanceError(f"no free port from {first} to {first + 99}; choose another with --port")
