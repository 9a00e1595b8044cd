"""`python -m pipeline WORDS` in a process of its own without its two seconds of imports.

A server, one a test session, has imported what commands import and opened nothing; each command is a fork of it, with
its own environment, folder, input and output, and ends as an interpreter ends. What a test does to a process from
outside (kill, Ctrl-C, a module that is missing) needs a real one: subprocess.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pipeline import ROOT

IMPORTS = (  # what starts a thread when it is imported, as onnxruntime does, cannot be among them
    *(
        "numpy",
        "pandas",
        "PIL.Image",
        "pyarrow.parquet",
        "pydantic_settings",
        "typer",
        "filelock",
        "scipy.sparse",
        "torch",
    ),
    *("pymilvus", "milvus_lite.adapter.grpc.server", "sklearn.cluster", "pipeline.cli.console"),
    *("pipeline.ingest.ingest", "pipeline.ingest.sync", "pipeline.search.search", "pipeline.gallery.opening"),
)
_server: list[tuple[str, subprocess.Popen[bytes]]] = []


def run(
    words: list[str], *, stdin: str, env: Mapping[str, str], cwd: Path = ROOT, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run with text captured. TimeoutExpired after so many seconds, and the command is killed."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(_address())
            request = json.dumps({"words": words, "env": dict(env), "cwd": str(cwd)}).encode()
            socket.send_fds(link, [len(request).to_bytes(8, "big")], [given.fileno(), out.fileno(), err.fileno()])
            link.sendall(request)
            link.settimeout(timeout)
            with link.makefile("rb") as answers:
                pid = int(answers.readline())
                try:
                    code = int(answers.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(words, timeout, _text(out), _text(err)) from None
        return subprocess.CompletedProcess(["pipeline", *words], code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _address() -> str:
    if not _server or _server[0][1].poll() is not None:
        _server.clear()
        folder = tempfile.mkdtemp(prefix="warm-")
        address = f"{folder}/link"
        env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, __file__, address], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        _server.append((address, process))
        atexit.register(_end, folder, process)
    return _server[0][0]


def _end(folder: str, process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    with contextlib.suppress(OSError):
        for file in Path(folder).iterdir():
            file.unlink()
        Path(folder).rmdir()


def _serve(address: str) -> None:
    """Until ended. One thread: a command is asked for, forked and waited for, and then the next one."""
    sys.path[0] = ""  # as `python -m` has it
    for name in IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            link, _ = listening.accept()
            size, handles, _, _ = socket.recv_fds(link, 8, 3)
            with link.makefile("rb") as asked:
                request = asked.read(int.from_bytes(size, "big"))
            pid = os.fork()
            if not pid:
                listening.close()
                link.close()
                return _command(json.loads(request), handles)
            for handle in handles:
                os.close(handle)
            with contextlib.suppress(OSError):
                link.sendall(f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
            with contextlib.suppress(OSError):
                link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            link.close()


def _command(asked: dict, handles: list[int]) -> None:
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
        os.close(handle)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv = ["pipeline", *asked["words"]]
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
