"""A published dataset: a folder that is there already, or an archive, perhaps a downloaded one, unpacked once."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import SemblanceError, UsageError
from pipeline.files.downloads import download
from pipeline.records import Progress, silent
from pipeline.settings import Settings

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
DEPTH = 2  # how far below the folder a person names the dataset's own folder may lie


class DamagedArchive(SemblanceError):
    """An archive that is cut off, unsafe to unpack, or holds something else; when it was downloaded it is deleted."""


@dataclass(frozen=True)
class Source:
    """Where a dataset can be had. `has`: files or folders, relative to its own folder, by which that is recognised."""

    name: str  # of the folder in the cache
    has: Sequence[str]
    url: str = ""
    sha256: str = ""
    check: Callable[[Path], None] = field(default=lambda folder: None)  # of a download; raises DamagedArchive

    def at(self, root: str) -> Origin:
        """given: the dataset's folder or one above it, an archive of it, or '' for a download of `url` into the cache.

        Raises UsageError when it is none of these. An archive is not opened yet.
        """
        cache = Settings().cache.absolute()
        if not root:
            assert self.url, "a dataset that is not downloaded refuses an empty root itself"
            return Origin(self, cache / self.name, None)
        path = Path(root).expanduser().absolute()
        if path.is_dir():
            return Origin(self, self.find(path), None)
        if not path.is_file():
            instead = "; leave root out to download it" if self.url else ""
            raise UsageError(f"root={root}: there is no such file or folder; check the spelling{instead}")
        if not path.name.lower().endswith(ARCHIVES):
            raise UsageError(f"root={root} is neither a folder nor one of {', '.join(ARCHIVES)}")
        status = path.stat()
        which = hashlib.sha256(os.fsencode(f"{path} {status.st_size} {status.st_mtime_ns}")).hexdigest()[:8]
        return Origin(self, cache / f"{self.name}-{which}", path)

    def find(self, folder: Path) -> Path:
        """The dataset's own folder: `folder` or one at most two levels below it. UsageError when there is none."""
        level = [folder]
        for _ in range(DEPTH + 1):
            for candidate in level:
                if all(os.path.exists(candidate / name) for name in self.has):
                    return candidate
            level = [below for candidate in level for below in _folders(candidate)]
        raise UsageError(f"{folder} is not {self.name}: no folder there holds {', '.join(self.has)}; check the path")


@dataclass(frozen=True)
class Origin:
    """A dataset's folder `root`, and what it is unpacked from: None for a folder that is there or a download."""

    source: Source
    root: Path
    archive: Path | None

    def prepare(self, progress: Progress = silent) -> None:
        """Make `root` exist, whole. One process does it, others wait for it; killed, it starts unpacking anew.

        Raises DamagedArchive for an archive that is not the dataset, SemblanceError when a download or a write fails.
        """
        from filelock import FileLock

        if self.root.exists():
            return
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root.with_name(f".{self.root.name}.lock")):
            if self.root.exists():
                return
            archive = self.archive or self._download(progress)
            staging = self.root.with_name(f".{self.root.name}.unpacking")
            shutil.rmtree(staging, ignore_errors=True)
            try:
                unpack(archive, staging, progress=progress)
                folder = self._unpacked_folder(archive, staging, progress)
                if self.archive is None:
                    self.source.check(folder)
                os.replace(folder, self.root)
            except DamagedArchive:
                if self.archive is None:
                    archive.unlink()  # so that the next try downloads it again
                raise
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            if self.archive is None:
                archive.unlink()

    def check_prepared(self) -> None:
        if not self.root.exists():
            raise SemblanceError(f"{self.source.name} is not unpacked to {self.root} yet; call prepare() first")

    def _download(self, progress: Progress) -> Path:
        url = self.source.url
        target = self.root.with_name(f"{self.root.name}{_suffix(url)}")
        return download(url, target, sha256=self.source.sha256, progress=progress)

    def _unpacked_folder(self, archive: Path, staging: Path, progress: Progress) -> Path:
        """The dataset's folder among what was unpacked; an archive within the archive is unpacked as well."""
        for inner in [path for folder in [staging, *_folders(staging)] for path in sorted(folder.glob("*.tar.gz"))]:
            unpack(inner, inner.parent, progress=progress)
            inner.unlink()
        try:
            return self.source.find(staging)
        except UsageError:
            names = ", ".join(sorted(path.name for path in staging.iterdir())[:5]) or "nothing"
            expected = ", ".join(self.source.has)
            raise DamagedArchive(
                f"{archive} is not {self.source.name}: it holds {names}, and no folder with {expected}"
            ) from None


def unpack(archive: Path, folder: Path, *, progress: Progress = silent, password: str = "") -> None:
    """Unpack into `folder`, made when missing. Nothing is ever written outside it. password: of a locked zip.

    Raises DamagedArchive when it is cut off or a member would leave `folder`, SemblanceError for too little room and
    for a password that is missing or wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.lower().endswith(".zip"):
            _unpack_zip(archive, folder, progress, password)
        else:
            _unpack_tar(archive, folder, progress)
    except (zipfile.BadZipFile, tarfile.ReadError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DamagedArchive(f"{archive} is damaged or incomplete ({error}); fetch it again") from error
    except tarfile.TarError as error:
        raise DamagedArchive(f"{archive} has a member that is not safe to unpack: {error}") from error
    except OSError as error:
        raise SemblanceError(f"cannot unpack {archive} to {folder}: {error.strerror or error}") from error


def _unpack_zip(archive: Path, folder: Path, progress: Progress, password: str) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        needed = sum(member.file_size for member in members)
        if needed > (free := shutil.disk_usage(folder).free):
            raise SemblanceError(f"{archive} needs {needed:,} bytes in {folder}, {free:,} are free; make room")
        for done, member in enumerate(members, start=1):
            # zipfile would drop the dots and go on; a file that tries to leave is not one to trust
            if member.filename.startswith(("/", "\\")) or ".." in member.filename.replace("\\", "/").split("/"):
                raise DamagedArchive(f"{archive} has a member that is not safe to unpack: {member.filename!r}")
            if member.flag_bits & 1:
                _unlock(file, member, folder, password)
            else:
                file.extract(member, folder)
            progress(f"unpack {archive.name}", done, len(members))


def _unlock(file: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, password: str) -> None:
    if not password:
        raise SemblanceError(f"{file.filename} is encrypted; unpack it yourself and give the folder as root=FOLDER")
    try:
        file.extract(member, folder, pwd=password.encode())
    except NotImplementedError as error:
        raise SemblanceError(
            f"{file.filename} is encrypted in a way that cannot be read here ({error}); unpack it yourself and give "
            "the folder as root=FOLDER"
        ) from error
    except (RuntimeError, zipfile.BadZipFile, zlib.error) as error:  # one wrong password in 256 gets as far as its data
        raise SemblanceError(f"{file.filename} does not open: the password is wrong, or the file damaged") from error


def _unpack_tar(archive: Path, folder: Path, progress: Progress) -> None:
    with tarfile.open(archive) as file:
        for done, member in enumerate(file, start=1):
            file.extract(member, folder, filter="data")
            progress(f"unpack {archive.name}", done, 0)
        while file.fileobj and file.fileobj.read(1 << 20):
            pass  # gzip compares its checksum at the very end, which tarfile has no reason to read


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []  # a folder that cannot be read is not the one looked for


def _suffix(url: str) -> str:
    return next(suffix for suffix in ARCHIVES if url.endswith(suffix))
