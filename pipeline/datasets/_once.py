"""A folder that is made once: whole or not at all, by one process while others wait."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.files.atomic import disk_error


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
    known = [(str(file), status.st_size, status.st_mtime_ns) for file in files for status in [file.stat()]]
    return f"{name}-{hashlib.sha256(os.fsencode(repr(known))).hexdigest()[:8]}"
