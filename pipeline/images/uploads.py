"""What a browser sends, put on disk: one picture, or a zip of folders whose names are the labels.

Names inside are only ever labels to show: each is cut to its parts, cleaned, and joined below a folder of ours.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import mmap
import os
import re
import secrets
import shutil
import stat
import struct
import tempfile
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline import errors
from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.files.picture_files import is_system_name
from pipeline.files.zip_names import member_names
from pipeline.fingerprints import file_id
from pipeline.images import opening

MAX_ZIP_BYTES = 200 * 10**6
MAX_MEMBERS = 5_000
MAX_UNPACKED_BYTES = 10**9

_SUFFIX = {"JPEG": ".jpg", "TIFF": ".tif"}
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$", re.IGNORECASE)  # Windows opens these as devices
_MADE_BY = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}


def new_folder(parent: Path) -> Path:
    """Where in `parent` the next upload goes: named after the time, and free whatever the clock and others do meanwhile."""
    return parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def save_upload(name: str, data: bytes, target: Path) -> Path:
    """Keep one uploaded picture in the folder `target`, made when missing; its bytes stay as they are.

    The file's name is the cleaned stem of `name`, 16 digits of the content and the content's own suffix, so two
    pictures never share one and the same upload twice is one file. Raises PictureError when it is not a picture.
    """
    kind = opening.open_image(data).format
    stem = os.path.splitext(_safe(re.split(r"[/\\]", name)[-1]))[0] or "picture"
    path = target / f"{_shortened(stem, 100)}-{file_id(data)[:16]}{_SUFFIX.get(kind, '.' + kind.lower())}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        # A name of its own: two sessions may be sending the same picture at this moment.
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=target)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)  # mkstemp gives a file to its owner alone
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise atomic.disk_error(error, path) from error
    return path


def unpack(data: bytes | Path, target: Path) -> list[Path]:
    """Unpack a zip into `target`, a folder that is missing or empty; the files' paths in the zip's order.

    Folders are kept, so that a picture's parent folder is its label. Hidden files and system folders are left out.
    All or nothing: on any error `target` is as it was. Raises UsageError for a zip that is damaged, encrypted, too
    large (limits above, counted while writing) or that has a member leading outside.
    """
    if target.is_dir() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty; unpack into a new folder")
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        with _opened(data) as stream:
            written = _write_members(stream, staging)
        staging.chmod(0o755)  # mkdtemp gives a folder to its owner alone
        if target.is_dir():
            target.rmdir()  # Windows replaces no folder, not even an empty one
        staging.replace(target)
    except OSError as error:
        raise atomic.disk_error(error, target) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return [target / path for path in written]


@contextlib.contextmanager
def _opened(data: bytes | Path) -> Iterator[IO[bytes]]:
    """The zip as a stream, its size and number of entries checked before zipfile reads its directory into memory."""
    if isinstance(data, Path):
        if not data.is_file():
            raise UsageError("there is no such zip file; check the path")
        _check_zip_bytes(data.stat().st_size)
        with data.open("rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                _check_entries(view)
            yield file
    else:
        _check_zip_bytes(len(data))
        _check_entries(data)
        yield io.BytesIO(data)


def _check_zip_bytes(size: int) -> None:
    if size == 0:
        raise UsageError("the zip is empty; make it again with pictures in it")
    if size > MAX_ZIP_BYTES:
        raise UsageError(
            f"the zip has {size / 1e6:.0f} MB and at most {MAX_ZIP_BYTES / 1e6:.0f} MB are accepted; split it in parts"
        )


def _check_entries(view: bytes | mmap.mmap) -> None:
    entries = itertools.islice(re.finditer(rb"PK\x01\x02", view), 2 * MAX_MEMBERS + 1)  # folders are entries as well
    if sum(1 for _ in entries) > 2 * MAX_MEMBERS:
        raise _too_many()


def _write_members(stream: IO[bytes], folder: Path) -> list[Path]:
    """Write the members below `folder`; their paths relative to it."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            named = zip(members, member_names(members), strict=True)
            chosen = [(member, path) for member, name in named if (path := _destination(member, name)) is not None]
            if len(chosen) > MAX_MEMBERS:
                raise _too_many()
            room = MAX_UNPACKED_BYTES
            written = []
            for member, path in chosen:
                free = _free_path(folder, path)
                (folder / free).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, (folder / free).open("xb") as file:
                    while block := source.read(2**20):
                        room -= len(block)
                        if room < 0:
                            raise UsageError(
                                f"the zip unpacks to more than {MAX_UNPACKED_BYTES / 1e9:.0f} GB; split it in parts"
                            )
                        file.write(block)
                written.append(free)
    except (FileExistsError, NotADirectoryError):
        raise UsageError("the zip has a file and a folder of one name; make it again from a plain folder") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError) as error:
        reason = errors.display_name(str(error))[:120]
        raise UsageError(f"the zip is damaged or is no zip ({reason}); make it again and send it again") from None
    if not written:
        raise UsageError("the zip holds no files; put pictures in it, in one folder for each label")
    return written


def _destination(member: zipfile.ZipInfo, named: str) -> Path | None:
    """Where a member goes, relative; None for what is left out. UsageError for a member that nobody should unpack."""
    name = named.replace("\\", "/")  # some Windows programs write these
    shown = errors.display_name(name)[:120]
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in parts:
        raise UsageError(f"the zip has a member that leads outside, {shown!r}; make it again from a plain folder")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UsageError(f"the zip has a link, {shown!r}; make it again with the pictures themselves")
    if name.endswith("/") or not parts or any(part.startswith(".") or is_system_name(part) for part in parts):
        return None
    if member.flag_bits & 1:
        raise UsageError(f"the zip is encrypted, see {shown!r}; make it again without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for 4 GB to decompress
        method = _MADE_BY.get(member.compress_type, str(member.compress_type))
        raise UsageError(f"the zip is compressed with {method}; make it again with ordinary (Deflate) compression")
    return Path(*(_shortened(_safe(part), 150) for part in parts))


def _free_path(folder: Path, path: Path) -> Path:
    """`path`, or with -2, -3 … before its suffix when cleaning, or a file system that ignores case, made two alike."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], names) if not (folder / candidate).exists())


def is_plain(part: str) -> bool:
    """Whether a file or folder can be called so as it is."""
    return _safe(part) == part and not is_system_name(part) and not part.startswith(".")


def _safe(part: str) -> str:
    """One part of a path that every file system takes and that reads as it did: any script, no marks of control."""
    text = unicodedata.normalize("NFC", part)  # macOS writes é as two characters; a label must not depend on that
    text = "".join(char if char.isprintable() or char in "\u200c\u200d" else "_" for char in text)
    text = re.sub(r'[<>:"/\\|?*]', "_", text).strip(" .")
    return f"_{text}" if _DEVICE.match(text) else text or "_"


def _shortened(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, its suffix kept; file systems stop at 255."""
    stem, suffix = os.path.splitext(text)
    suffix = suffix if len(suffix) <= 10 else ""
    stem = stem if suffix else text
    return stem.encode()[: limit - len(suffix.encode())].decode("utf-8", "ignore") + suffix


def _too_many() -> UsageError:
    return UsageError(f"the zip has more than {MAX_MEMBERS:,} files; split it in parts")
