"""One process holds a Milvus Lite file: who holds it, in words, and how to let go of it after a failed write.

The lock is a `flock` beside the file, so the system frees it when its holder dies, however it dies. The note next to
it only says who; it is believed only while the lock is held.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import StoreError, StoreLocked

if TYPE_CHECKING:
    from filelock import BaseFileLock

CANNOT_OPEN = "Open local milvus failed"  # pymilvus' words for it
_sockets: dict[str, tempfile.TemporaryDirectory[str]] = {}  # by the Lite file's path
_PATIENCE = 0.1  # seconds; longer than `holder` needs to look, shorter than a person notices


def take(path: Path) -> BaseFileLock:
    """The lock of a Lite file, made ours with its folder. StoreLocked, within 0.2 s, when another process has it."""
    from filelock import Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(path)
        lock.acquire(timeout=_PATIENCE, poll_interval=0.02)
        _note(path).write_text(
            json.dumps({"pid": os.getpid(), "command": _command(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}),
            encoding="utf-8",
        )
    except Timeout:
        owner = _owner(path)
        raise StoreLocked(
            f"{path} is held by {owner}; wait for it to end, or stop it. Searches are answered meanwhile from the gallery "
            "on disk (store `exact`), exactly. To let several programs in, run a Milvus server and set SEMBLANCE_MILVUS_URI",
            passing=" -m pipeline " in owner,
        ) from None
    except OSError as problem:
        raise StoreError(f"cannot open {path}: {problem}; choose a folder you may write with SEMBLANCE_HOME") from None
    return lock


def holder(path: str | Path) -> str:
    """Who holds a Lite file, as `process PID (COMMAND) since TIME`; '' when nobody does."""
    from filelock import Timeout

    path = Path(path).expanduser().resolve()
    if not _lock_path(path).exists():
        return ""
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _owner(path)
    except OSError:
        return ""
    lock.release()
    return ""


def address(path: Path) -> str:
    """Where a client reaches the engine on `path`, started if it is not yet: a Unix socket in a folder of this user's alone.

    Milvus Lite's own way is a port of 127.0.0.1 without a password, which every user of the machine can reach. Windows
    has no other: there it is the path, and pymilvus opens that port.
    """
    if sys.platform == "win32":
        return str(path)
    from milvus_lite.adapter.grpc.server import start_server_in_thread
    from milvus_lite.server_manager import server_manager_instance as manager

    with manager._lock:
        if str(path) not in manager._servers:
            folder = tempfile.TemporaryDirectory(prefix="semblance-", dir=_socket_parent(), ignore_cleanup_errors=True)
            try:
                started = start_server_in_thread(str(path), host=f"unix:{folder.name}/lite", port=0)
            except Exception as problem:  # whatever its engine says of a damaged file
                folder.cleanup()
                raise RuntimeError(CANNOT_OPEN) from problem
            manager._servers[str(path)] = started
            _sockets[str(path)] = folder  # gone at the latest when the process ends
        return f"unix:{_sockets[str(path)].name}/lite:0"


def _socket_parent() -> str | None:
    """None, the usual temporary folder, or the system's where that is too deep: a socket's path has 107 bytes at most."""
    return None if len(os.fsencode(tempfile.gettempdir())) < 70 else os.path.join(os.sep, "tmp")


def abandon(path: Path) -> None:
    """Close Milvus Lite's engine on `path` without the flush that its own close makes.

    A flush that follows a failed write deletes the log of rows that were already acknowledged; left alone, the log
    is replayed at the next open (milvus-lite 3.2.2).
    """
    manager = _manager()
    entry = None
    if manager is not None:
        with manager._lock:
            entry = manager._servers.pop(str(path), None)
    _forget_socket(path)
    if entry is None:
        return
    server, engine, _port = entry
    server.stop(grace=5).wait(10)
    for collection in engine._collections.values():
        collection._bg_closed = True
        collection._bg_executor.shutdown(wait=True, cancel_futures=True)
        for sink in (collection._wal._data_sink, collection._wal._delta_sink):
            if sink is not None:
                with suppress(OSError):  # the very write that failed, tried once more by close
                    sink.close()
    engine._collections.clear()
    engine.close()


def engine(path: Path) -> Any:
    """Milvus Lite's engine on `path`, which `address` started: its rows lie in this process's memory."""
    return _manager()._servers[str(path)][1]


def clear_half_made(path: str, collection: str) -> None:
    """Delete the folder of a collection whose making a full disk or a kill cut short: it would bar every next try."""
    folder = Path(path) / "collections" / collection
    if folder.is_dir() and not (folder / "schema.json").exists():  # the first file; without it there is no collection
        shutil.rmtree(folder, ignore_errors=True)


def release(path: Path) -> None:
    """Close Milvus Lite's engine on `path` the usual way: everything flushed."""
    if (manager := _manager()) is not None:
        manager.release_server(str(path))
    _forget_socket(path)


def _forget_socket(path: Path) -> None:
    if folder := _sockets.pop(str(path), None):
        folder.cleanup()


def _manager() -> Any:
    """Milvus Lite's own list of open files; None while it was never imported, and so has none open."""
    return getattr(sys.modules.get("milvus_lite.server_manager"), "server_manager_instance", None)


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _lock(path: Path) -> BaseFileLock:
    from filelock import FileLock

    # not bound to a thread: the app opens in one and closes in another
    return FileLock(_lock_path(path), thread_local=False)


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".holder.json")


def _owner(path: Path) -> str:
    note: dict[str, Any] = {}
    for _ in range(5):  # one that took the lock a moment ago is about to write it
        with suppress(OSError, ValueError):
            note = json.loads(_note(path).read_text(encoding="utf-8"))
        if note:
            return f"process {note['pid']} ({note['command']}) since {note['since']}"
        time.sleep(_PATIENCE / 5)
    return "another process"


def _command() -> str:
    """This process's command line, short, without what a URI may carry before its @."""
    words = " ".join([Path(sys.executable).name, *sys.orig_argv[1:]]).split()
    return re.sub(r"//[^/@\s]*@", "//…@", " ".join(words))[:120]
