"""The app as strangers reach it: a process of its own with SEMBLANCE_EXPOSED, perhaps with sign-in or a planted fault."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tiny_gallery import ROOT, SPEC, photos, run


@dataclass(frozen=True)
class Exposed:
    address: str
    home: Path
    log: Path  # what it wrote to stdout and stderr
    process: subprocess.Popen[bytes]

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


def filled(home: Path, folder: Path) -> None:
    """A gallery `small` of nine drawn pictures."""
    dataset = f"folder:root={photos(folder, 9)}"
    words = ("ingest", "small", "--dataset", dataset, "--encoder", SPEC, "--progress", "none")
    done = run(*words, env={"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": ""})
    assert done.returncode == 0, done.stderr


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def exposed(
    folder: Path, *flags: str, secrets: str = "", plant: str = "", port: int = 0, **env: str
) -> Iterator[Exposed]:
    """secrets: the text of secrets.toml, where {port} is the app's. plant: Python that runs before the app."""
    home, log, port = folder / "home", folder / "app.log", port or free_port()
    if not home.exists():
        filled(home, folder / "pictures of mine")
    options = [f"--server.port={port}", "--server.headless=true", *flags]
    if secrets:
        (folder / "secrets.toml").write_text(secrets.replace("{port}", str(port)))
        options.append(f"--secrets.files={folder / 'secrets.toml'}")
    start = f"import sys\n{plant}\nfrom streamlit.web.cli import main\nsys.argv = ['streamlit', *sys.argv[1:]]\nmain()"
    command = [sys.executable, "-c", start, "run", "streamlit_app.py", *options]
    environment = os.environ | {"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": "", "SEMBLANCE_EXPOSED": "1"} | env
    with log.open("wb") as out, subprocess.Popen(command, env=environment, cwd=ROOT, stdout=out, stderr=out) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield Exposed(f"http://127.0.0.1:{port}", home, log, process)
        finally:
            process.terminate()
            process.wait(20)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, f"the app ended before it was ready: {log.read_text()}"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.2)
    raise AssertionError(f"{address} was not ready within a minute: {log.read_text()}")
