"""The archives that hold a backup, .zip and .tar: written member by member, and looked over before one is unpacked.

Nothing in one is compressed, because a gallery's files are; so one that claims more bytes than it has is no backup.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import json
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from pipeline import __version__
from pipeline.errors import GalleryError, UsageError

FORMAT = 1
ENDINGS = (".zip", ".tar")
LIST = "backup.json"  # the last member; it names the others


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


Add = Callable[[str, Readable, int], None]
"""add(name, content, size): one more member, of the next `size` bytes of `content`."""


@dataclass(frozen=True)
class Listed:
    """What an archive is to hold: a gallery's files by their names in the archive, `GALLERY/…`, with size and SHA-256."""

    gallery: str
    files: dict[str, tuple[int, str]]


def check_ending(file: Path) -> None:
    if file.suffix.lower() not in ENDINGS:
        raise UsageError(f"unknown ending of {file.name!r}; choose {' or '.join(ENDINGS)}")


@contextlib.contextmanager
def written(file: Path, gallery: str, *, like: Path) -> Iterator[Add]:
    """A new archive in `file`, of the kind that `like` is called; on leaving it gets its list."""
    files: dict[str, tuple[int, str]] = {}
    with _zip_writer(file) if like.suffix.lower() == ".zip" else _tar_writer(file) as write:

        def add(name: str, content: Readable, size: int) -> None:
            hashed = _Hashed(content, size)
            write(f"{gallery}/{name}", hashed, size)
            files[f"{gallery}/{name}"] = size, hashed.digest.hexdigest()

        yield add
        about = {"backup": FORMAT, "semblance": __version__, "gallery": gallery}
        about |= {"made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
        listed = {name: {"size": size, "sha256": digest} for name, (size, digest) in files.items()}
        text = json.dumps(about | {"files": listed}, ensure_ascii=False, indent=1).encode()
        write(LIST, io.BytesIO(text), len(text))


@contextlib.contextmanager
def _zip_writer(file: Path) -> Iterator[Add]:
    with zipfile.ZipFile(file, "w") as archive:

        def write(name: str, content: Readable, size: int) -> None:
            about = zipfile.ZipInfo(name, time.localtime()[:6])
            about.file_size, about.external_attr = size, 0o644 << 16
            with archive.open(about, "w") as member:
                while piece := content.read(1 << 20):
                    member.write(piece)

        yield write


@contextlib.contextmanager
def _tar_writer(file: Path) -> Iterator[Add]:
    with tarfile.open(file, "w") as archive:

        def write(name: str, content: Readable, size: int) -> None:
            about = tarfile.TarInfo(name)
            about.size, about.mtime = size, int(time.time())
            archive.addfile(about, content)

        yield write


class _Hashed:
    """The next `size` bytes of a file, hashed as they are read."""

    def __init__(self, file: Readable, size: int) -> None:
        self.file, self.left, self.digest = file, size, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        if not data and self.left and size:
            raise OSError(f"{getattr(self.file, 'name', 'a file')} became shorter while it was read")
        self.left -= len(data)
        self.digest.update(data)
        return data


def inspect(file: Path) -> Listed:
    """The archive's list, once all its members are plain files, as large as the list says, in the gallery's folder.

    GalleryError names what is wrong; nothing is unpacked. Whether the bytes are right is not looked at.
    """
    check_ending(file)
    try:
        sizes, text = _zip_members(file) if file.suffix.lower() == ".zip" else _tar_members(file)
    except FileNotFoundError:
        raise UsageError(f"there is no file {file}; check the path") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise GalleryError(f"{file} is damaged, or no backup ({error}); take another copy of it") from error
    listed = _read_list(file, text)
    for name, size in sizes.items():
        path = PurePosixPath(name)
        if path.parts[:1] != (listed.gallery,) or ".." in path.parts or str(path) != name or name not in listed.files:
            raise GalleryError(f"{file} holds {name!r}, which no backup of {listed.gallery} does; nothing was unpacked")
        if size != listed.files[name][0]:
            raise GalleryError(f"{file} is damaged: {name} has {size:,} bytes and had {listed.files[name][0]:,}")
    if lost := sorted(set(listed.files) - set(sizes)):
        raise GalleryError(f"{file} is damaged: {lost[0]} is not in it; take another copy of it")
    return listed


def _read_list(file: Path, text: bytes) -> Listed:
    try:
        about = json.loads(text)
        if about["backup"] > FORMAT:
            raise GalleryError(
                f"{file} was made by a newer Semblance (backup format {about['backup']}); update this one"
            )
        files = {str(name): (int(one["size"]), str(one["sha256"])) for name, one in about["files"].items()}
        return Listed(str(about["gallery"]), files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GalleryError(f"{LIST} in {file} is damaged ({error!r}); take another copy of the backup") from error


def _zip_members(file: Path) -> tuple[dict[str, int], bytes]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        plain = [
            member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1 and not member.is_dir()
            for member in members
        ]
        sizes = _sizes(file, [(member.filename, member.file_size) for member in members], plain)
        return sizes, archive.read(LIST)


def _tar_members(file: Path) -> tuple[dict[str, int], bytes]:
    with tarfile.open(file, "r:") as archive:
        members = archive.getmembers()
        plain = [member.isreg() and not member.issparse() for member in members]
        sizes = _sizes(file, [(member.name, member.size) for member in members], plain)
        member = archive.extractfile(LIST)
        assert member is not None  # a plain file
        return sizes, member.read()


def _sizes(file: Path, members: list[tuple[str, int]], plain: Iterable[bool]) -> dict[str, int]:
    """By name, without the list's own."""
    for (name, _), is_plain in zip(members, plain, strict=True):
        if not is_plain:
            raise GalleryError(f"{file} holds {name!r}, a link, a folder or compressed, as no backup does")
    sizes = dict(members)
    if len(sizes) != len(members) or sum(sizes.values()) > file.stat().st_size:
        raise GalleryError(f"{file} claims to hold more than it has room for, or a name twice; it is no backup")
    if LIST not in sizes:
        raise GalleryError(f"{file} holds no {LIST}: it was cut off, or is no backup; take another copy of it")
    del sizes[LIST]
    return sizes
