"""`python -m pipeline …` in forks of a process that has imported everything: ten times quicker than anew."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

# The process that forks is a clean one: a fork of a test process, in which gRPC's threads run, dies in gRPC's checks.
_CLEAN = multiprocessing.get_context("forkserver") if sys.platform != "win32" else None
if _CLEAN:
    _CLEAN.set_forkserver_preload(
        ["milvus_lite.server_manager", "pymilvus", "pyarrow.parquet", "sklearn.cluster", "pandas", "jinja2", __name__]
    )


@dataclass
class Ended:
    code: int
    out: str
    err: str


def pipeline(words: Sequence[str], home: Path, *, limit: int = 0, uri: str = "", kill_after: float = math.inf) -> Ended:
    """`python -m pipeline WORDS` in a fork of a process that has imported everything: 10 times quicker.

    `training` as the first word runs that instead. kill_after: seconds until the fork and all it started get SIGKILL.
    """
    assert _CLEAN, "this system has no fork"
    reads, writes = zip(*(_CLEAN.Pipe(duplex=False) for _ in range(2)), strict=True)
    child = _CLEAN.Process(target=_in_child, args=(writes, words, home, limit, uri))
    child.start()
    for write in writes:
        write.close()
    killer = threading.Timer(min(kill_after, threading.TIMEOUT_MAX), _kill, (child.pid,))
    if kill_after < math.inf:
        killer.start()
    out, err = (_read(read) for read in reads)  # to their end: nothing that was started lives
    killer.cancel()
    child.join()
    assert child.exitcode is not None
    return Ended(child.exitcode, out, err)


def _kill(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:  # it leads no group yet, or is over
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _in_child(writes: Sequence[Connection], words: Sequence[str], home: Path, limit: int, uri: str) -> None:
    code = 70
    try:
        os.setsid()
        for number, write in enumerate(writes, 1):
            os.dup2(write.fileno(), number)
            write.close()
        code = _run(words, home, limit, uri)
    finally:
        os._exit(code)


def _run(words: Sequence[str], home: Path, limit: int, uri: str) -> int:
    import resource
    import traceback

    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    os.environ |= {"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": uri}
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    program = "training" if words[0] == "training" else "pipeline"
    sys.argv = [program, *words[program == "training" :]]
    sys.modules.pop(f"{program}.__main__", None)  # a forked test may have it; runpy warns of that
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 70
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
    return 0


def _read(pipe: Connection) -> str:
    with os.fdopen(os.dup(pipe.fileno()), encoding="utf-8", errors="replace") as stream, pipe:
        return stream.read()
