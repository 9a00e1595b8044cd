"""Files and folders that are there whole or not at all: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import SemblanceError

_numbers = itertools.count()  # threads of one process write side by side


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on leaving, what was written there becomes `path`.

    durable=False, for what can be made again: its folder is made, and the disk is not waited for. On an error `path` is as it was and the temporary file is gone. Raises SemblanceError on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.tmp")
    try:
        if not durable:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            _fsync(temporary)
        os.replace(temporary, path)
        if durable:
            _fsync(path.parent)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):  # an error on the way is the one to hear of
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def clean(*folders: Path, older_than: float = 0.0) -> None:
    """Delete what killed processes left in `replacing`. Only while no other process can be in it, or what is that many
    seconds old."""
    for folder in folders:
        for leftover in folder.glob(".*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if not older_than or time.time() - leftover.stat().st_mtime > older_than:
                    leftover.unlink()


def append(path: Path, text: str) -> None:
    """Add whole lines at the end, on the disk when this returns; on an error the file is as it was.

    After a line that a crash has torn a new one is begun.
    """
    data = text.encode("utf-8")
    try:
        with path.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    data = b"\n" + data
            try:
                while data:
                    data = data[file.write(data) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise disk_error(error, path) from error


def make_once(root: Path, fill: Callable[[Path], Path]) -> None:
    """Make the folder `root` exist. `fill(staging)` returns the folder, staging or one in it, that becomes `root`.

    staging is the same each time and may hold what a killed process has left; what is left in it then is deleted.
    Whatever fill raises is passed on.
    """
    from filelock import FileLock

    if root.exists():
        return
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, root) from error
    with FileLock(root.with_name(f".{root.name}.lock")):
        if not root.exists():
            staging = root.with_name(f".{root.name}.making")
            os.replace(fill(staging), root)
            shutil.rmtree(staging, ignore_errors=True)


def name_for(name: str, files: Iterable[Path]) -> str:
    """`NAME-xxxxxxxx`, another one when a file has another path, size or time."""
    facts = [(str(file), status.st_size, status.st_mtime_ns) for file in files for status in [file.stat()]]
    return f"{name}-{hashlib.sha256(os.fsencode(repr(facts))).hexdigest()[:8]}"


def disk_error(error: OSError, path: Path) -> SemblanceError:
    """What a person reads when a write fails."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG):
        return SemblanceError(
            f"the disk is full: {path.name} was not written to {path.parent}; what was committed before is safe. "
            "Free some space and run the same command again, it goes on from there"
        )
    return SemblanceError(f"cannot write {path}: {error.strerror or error}; check the folder and its permissions")


def _fsync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
