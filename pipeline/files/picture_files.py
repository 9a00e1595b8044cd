"""Which files of a folder are meant as pictures, in an order that never changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.errors import UsageError

READABLE = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
# Pictures to their owner, refused when opened: naming them lets ingest say why instead of passing over them.
REFUSED = ("svg", "heic", "heif", "pdf", "eps")
_SUFFIXES = frozenset("." + suffix for suffix in (*READABLE, *REFUSED))


def picture_files(root: Path) -> Iterator[str]:
    """POSIX paths relative to `root` of all pictures below it, by suffix: a folder's files first, then its folders.

    Hidden names are skipped. A link to a file is followed while it stays inside `root`; a link to a folder never is:
    what it leads to inside `root` is found where it really lies, so loops cannot arise and nothing comes twice.
    Names that are not UTF-8 come with surrogates (PEP 383), as `os.fsdecode` writes them.
    Raises UsageError for a folder that cannot be read.
    """
    real_root = os.path.realpath(root)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        folders = []
        for entry in _entries(root, folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False) and not _is_junction(entry):
                folders.append(path)
            elif is_picture_name(entry.name) and _is_file_within(entry, real_root):
                yield path
        waiting += reversed(folders)


def is_picture_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _SUFFIXES


def is_inside(path: str | os.PathLike[str], real_root: str) -> bool:
    """Whether `path`, its links followed, lies below `real_root`, an `os.path.realpath`."""
    real = os.path.realpath(path)
    return real != real_root and real.startswith(os.path.join(real_root, ""))


def parent_name(path: str) -> str:
    """Name of the folder a relative POSIX path lies in; '' at the top."""
    return PurePosixPath(path).parent.name


def existing_folder(root: str, *, option: str = "root") -> Path:
    """`root` with ~ expanded, absolute. Raises UsageError unless it is a folder."""
    if not root:
        raise UsageError(f"{option} is empty; write {option}=FOLDER, the folder that holds the pictures")
    folder = Path(root).expanduser().absolute()
    if not folder.exists():
        raise UsageError(f"{option}={root}: there is no such folder; check the spelling or give the full path")
    if not folder.is_dir():
        raise UsageError(f"{option}={root} is a file; give the folder that holds the pictures")
    return folder


def _entries(root: Path, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(
            f"cannot read the folder {root / folder}: {error.strerror}; change its permissions or move it elsewhere"
        ) from error


def _is_file_within(entry: os.DirEntry[str], real_root: str) -> bool:
    if not entry.is_symlink():
        return entry.is_file()
    # os.path and not entry: a link to itself makes entry.is_file() raise
    return os.path.isfile(entry.path) and is_inside(entry.path, real_root)


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Windows' own kind of link to a folder, which Python 3.12 and later can tell from a folder."""
    return bool(getattr(entry, "is_junction", bool)())
