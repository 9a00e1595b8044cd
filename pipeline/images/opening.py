"""The single way pictures come in: a file's bytes to an upright RGB picture, or one sentence saying why not.

Content decides, never the file's name.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pipeline.errors import PictureError, UsageError, display_name
from pipeline.files.picture_files import existing_path
from pipeline.files.remote import RemoteFolder
from pipeline.images import decoding, sandbox
from pipeline.images.refused_formats import check_head
from pipeline.records import Picture
from pipeline.settings import exposed

MAX_BYTES = 20 * 2**20


def open_image(data: bytes, *, full: bool = False) -> Picture:
    """Decode a file's bytes; safe to call from many threads. SEMBLANCE_EXPOSED: in another process, to the same picture.

    A JPEG comes at the smallest scale (1, 1/2, 1/4, 1/8) whose short side is at least decoding.WORKING_SIDE, unless `full`.
    Raises PictureError with the fault and the remedy, and nothing else, whatever the bytes are.
    """
    _check_bytes(len(data))
    check_head(data)
    if exposed():
        return sandbox.open_image(data, full=full)
    return decoding.decode(data, full=full)


def read_file(path: Path) -> bytes:
    """A file's bytes. PictureError when it is missing, unreadable, not a regular file or over MAX_BYTES."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PictureError("this is a folder or a device, not a file; give the picture's own path")
        _check_bytes(status.st_size)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # it may have grown since
    except FileNotFoundError:
        if (
            spelt := existing_path(Path(path.anchor), path.relative_to(path.anchor).as_posix())
        ) and spelt != path.as_posix():
            return read_file(Path(path.anchor) / spelt)  # in another Unicode form
        raise PictureError("there is no such file; check the path") from None
    except PermissionError:
        raise PictureError("the file may not be read; give this user permission to read it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"the file cannot be read ({reason}); check the disk and the path") from None
    _check_bytes(len(data))
    return data


def read_inside(root: Path | RemoteFolder, relative: str) -> bytes:
    """`read_file` of what lies at `relative` (POSIX) under `root`. StorageError when a storage cannot be reached."""
    if isinstance(root, RemoteFolder):
        data = root.read(relative, limit=MAX_BYTES + 1)
        _check_bytes(len(data), at_least=len(data) > MAX_BYTES)
        return data
    return read_file(inside(root, relative))


def open_file(path: Path) -> tuple[bytes, Picture]:
    """A file's bytes and its picture. PictureError that names the file."""
    try:
        data = read_file(path)
        return data, open_image(data)
    except PictureError as error:
        raise PictureError(f"{display_name(path)}: {error}") from None


def inside(root: Path | RemoteFolder, relative: str) -> Path:
    """The absolute path of `relative` (POSIX) under `root`, symbolic links resolved; it need not exist.

    PictureError when it leads outside, by `..`, a drive, an absolute path or a symbolic link; UsageError for a storage's.
    """
    if isinstance(root, RemoteFolder):
        raise UsageError(f"{root} is not on this machine, and this needs files that are; copy the pictures here first")
    try:
        base = Path(os.path.realpath(root))  # twice as fast as Path.resolve
        path = Path(os.path.realpath(os.path.join(base, relative)))
    except (OSError, ValueError):  # a NUL
        raise PictureError("the path cannot be followed; use a plain path inside the dataset's folder") from None
    if not path.is_relative_to(base):
        raise PictureError("the path leads outside the dataset's folder; copy the picture into that folder")
    return path


def _check_bytes(size: int, *, at_least: bool = False) -> None:
    if size == 0:
        raise PictureError("the file is empty; copy or download it again")
    if size > MAX_BYTES:
        more = "more than " if at_least else ""
        raise PictureError(
            f"the file has {more}{size / 2**20:.1f} MB and at most {MAX_BYTES // 2**20} MB are accepted; save a smaller JPEG"
        )
