"""A whole gallery as one file, and back: every checksum is compared before anything is put in place."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.errors import GalleryError, SemblanceError, UsageError
from pipeline.exchange import backup_archives
from pipeline.exchange.backup_archives import Listed
from pipeline.files import atomic
from pipeline.files.archives import unpack
from pipeline.gallery.gallery import LOCKS, Gallery
from pipeline.gallery.opening import check_name, is_taken, put_in_place
from pipeline.records import Progress, silent
from pipeline.settings import Settings


@dataclass(frozen=True)
class BackupReport:
    """What was backed up or restored."""

    gallery: str
    rows: int
    files: int
    bytes: int  # of the files


def back_up(source: Gallery, target: Path, *, progress: Progress = silent) -> BackupReport:
    """Write everything of the gallery to a new file, .zip or .tar, which is there whole or not at all.

    Holds the writer's lock, so that parts, thumbnails and ledgers stand still. What needs no lock may change meanwhile:
    a judgment is in it whole or not at all, and a map or report that is deleted on the way is left out.
    UsageError for another ending, a file that exists or a folder that does not; SemblanceError on a full disk.
    """
    backup_archives.check_ending(target)
    if target.exists():
        raise UsageError(f"{target} exists; choose another name, or delete it first")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"no folder {target.parent}; make it first")
    sizes = []
    with source.writing():
        paths = sorted(path for path in source.root.rglob("*") if path.is_file() and not _is_passing(path))
        with atomic.replacing(target) as temporary, backup_archives.written(temporary, source.name, like=target) as add:
            for done, path in enumerate(paths, 1):
                with contextlib.ExitStack() as stack:
                    try:
                        content, size = stack.enter_context(_opened(path, source))
                    except FileNotFoundError:
                        continue
                    add(_name(path, source), content, size)
                    sizes.append(size)
                progress("backup", done, len(paths))
        return BackupReport(source.name, source.count(), len(sizes), sum(sizes))


def _name(path: Path, source: Gallery) -> str:
    name = path.relative_to(source.root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        raise GalleryError(f"the file name {name!r} in gallery {source.name} is no UTF-8; rename the file") from None
    return name


def _is_passing(path: Path) -> bool:
    return path.name in LOCKS or (path.name.startswith(".") and path.name.endswith(".tmp"))


@contextlib.contextmanager
def _opened(path: Path, source: Gallery) -> Iterator[tuple[IO[bytes], int]]:
    """The file and its size; of the judgments, which may grow at any time, the whole lines that are there now."""
    with path.open("rb") as file:
        if path == source.judgments_file:
            lines = file.read()
            yield io.BytesIO(lines), lines.rfind(b"\n") + 1
        else:
            yield file, os.fstat(file.fileno()).st_size


def restore(file: Path, settings: Settings, *, name: str = "", progress: Progress = silent) -> BackupReport:
    """Make a gallery of a backup, under its own name or another; Milvus is left to `sync`.

    It is unpacked beside the galleries, every checksum is compared, and one rename puts it in place.
    UsageError when the name is taken, GalleryError naming the file that is damaged, SemblanceError on a full disk.
    """
    from filelock import FileLock

    listed = backup_archives.inspect(file)
    check_name(listed.gallery)
    name = check_name(name or listed.gallery)
    root = settings.galleries / name
    staging = settings.galleries / f".{name}.restoring"
    try:
        _check_free(name, settings, file)
        _check_room(root, listed, file)
        with FileLock(settings.galleries / ".restoring.lock"):  # one at a time
            shutil.rmtree(staging, ignore_errors=True)  # what a killed restore left
            try:
                unpack(file, staging, progress=progress)
                _verify(listed, staging, file, progress)
                arrived = staging / listed.gallery
                Gallery(arrived).manifest()  # GalleryError for a newer format
                if name != listed.gallery:
                    rename_encoders(arrived, listed.gallery, name)
                if hasattr(os, "sync"):
                    os.sync()  # contents first: after a power cut there is a whole gallery or none
                _check_free(name, settings, file)
                restored = put_in_place(arrived, name, settings)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise atomic.disk_error(error, root) from error
    return BackupReport(name, restored.count(), len(listed.files), sum(size for size, _ in listed.files.values()))


def _check_room(root: Path, listed: Listed, file: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    needed, free = sum(size for size, _ in listed.files.values()), shutil.disk_usage(root.parent).free
    if needed > free:
        raise SemblanceError(f"{file} needs {needed:,} bytes in {root.parent}, {free:,} are free; make room")


def _check_free(name: str, settings: Settings, file: Path) -> None:
    if is_taken(name, settings):
        raise UsageError(
            f"gallery {name} exists; restore it as another: "
            f"python -m pipeline restore-backup {file} --name {name}_restored"
        )


def _verify(listed: Listed, folder: Path, file: Path, progress: Progress) -> None:
    for done, (name, (_, sha256)) in enumerate(listed.files.items(), 1):
        with (folder / name).open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
                raise GalleryError(f"{file} is damaged: {name} is not what was backed up; take another copy of it")
        progress("verify", done, len(listed.files))


def rename_encoders(root: Path, old: str, new: str) -> None:
    """A shortened or fine-tuned encoder's spec, and what it was made from, name files of the gallery's own folder."""
    from safetensors import safe_open
    from safetensors.numpy import load_file, save

    def renamed(spec: str) -> str:
        return spec.replace(f"file=galleries/{old}/", f"file=galleries/{new}/")

    gallery = Gallery(root)
    encoders = gallery.manifest()["encoders"]
    moved = {key: entry | {"spec": renamed(entry["spec"])} for key, entry in encoders.items()}
    if moved != encoders:
        gallery.update(encoders=moved)
    for file in root.glob("*.safetensors"):
        with safe_open(file, "np") as tensors:
            metadata = {key: renamed(text) for key, text in tensors.metadata().items()}
        content = save(load_file(file), metadata=metadata)
        with atomic.replacing(file) as temporary:
            temporary.write_bytes(content)
