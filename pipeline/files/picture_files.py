"""Which files of a folder are meant as pictures, in an order that never changes."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.errors import UsageError
from pipeline.files.wanted import FILMS, PICTURES, Wanted
from pipeline.schema import composed, spellings

# What storage devices, desktops and archivers keep beside people's own folders: small copies, trash, resource forks.
_SYSTEM = frozenset(
    (
        *(
            "@eadir",
            "@recycle",
            "@recently-snapshot",
            "@tmp",
            "@sharebin",
            "#recycle",
            "#snapshot",
            "recycler",
            "recycled",
        ),
        *("$recycle.bin", "system volume information", "found.000", "thumbs.db", "ehthumbs.db", "desktop.ini"),
        *(
            "__macosx",
            ".trash",
            ".trashes",
            ".thumbnails",
            ".picasaoriginals",
            "network trash folder",
            "temporary items",
        ),
    )
)
_JUNK = (
    "._",
    ".ds_store",
    ".localized",
    ".gitkeep",
    ".nomedia",
)  # beside every folder of a Mac or a phone: not worth a word
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_SHOWN = 6  # suffixes that a note names


@dataclass
class PassedOver:
    """What a walk through a folder leaves aside: how many of a kind and the first one; unreadable: (place, reason)."""

    wanted: Wanted = PICTURES
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, path: str) -> None:
        self._counts[kind] += 1
        self._first.setdefault(kind, path)

    @property
    def notes(self) -> list[str]:
        """A sentence for each kind, with its number and an example."""
        notes = [
            f"{text.format(noun=self.wanted.noun)}: {self._counts[kind]:,} (first: {self._first[kind]})"
            for kind, text in _KINDS.items()
            if kind in self._counts
        ]
        suffixes = [(kind, count) for kind, count in self._counts.most_common() if kind not in _KINDS]
        if suffixes:
            shown = [f"{count:,} × {kind} ({self._first[kind]})" for kind, count in suffixes[:_SHOWN]]
            more = f" and {len(suffixes) - _SHOWN} other suffixes" if len(suffixes) > _SHOWN else ""
            notes.append(f"files that are no {self.wanted.noun}s, passed over: {', '.join(shown)}{more}")
        films = [kind for kind, _ in suffixes if kind[1:] in FILMS.suffixes] if self.wanted is PICTURES else []
        if films:
            notes.append(f"films ({' '.join(films)}) have a dataset of their own: video:root=…")
        if any(kind in _ARCHIVES for kind, _ in suffixes):
            notes.append("archives are not looked into; unpack those that hold pictures")
        return notes


_KINDS = {
    "system": "system folders and files (trash, small copies), passed over",
    "hidden": "hidden files and folders, passed over",
    "outside": "links that lead outside the folder or to nothing, passed over",
    "folder link": "links to folders inside, passed over; links=true follows them",
    "loop": "links to a folder that they lie in, passed over",
    "device": "entries that are neither file nor folder, passed over",
    "content": "files without a {noun}'s suffix, taken for their content",
}


def picture_files(root: Path, passed: PassedOver | None = None, *, links: bool = False) -> Iterator[str]:
    """POSIX paths relative to `root` of all pictures, or what `passed` wants, below it: a folder's files, then its folders.

    Hidden names and a system's own folders are skipped. A link to a file is followed while it stays inside `root`; a link
    to a folder is not, unless `links`: what it leads to inside `root` is found where it really lies, too.
    passed: notes what is left aside, folders that cannot be read among it, and has files without a picture's suffix judged
    by their content. Without it, suffixes decide and a folder that cannot be read raises UsageError, as `root` always does.
    Names that are not UTF-8 come with surrogates (PEP 383), as `os.fsdecode` writes them.
    """
    real_root = os.path.realpath(root)
    aside = passed or PassedOver()
    waiting: list[tuple[str, tuple[str, ...]]] = [("", ())]  # folders, each with the links' targets that it lies in
    while waiting:
        folder, above = waiting.pop()
        try:
            entries = _entries(root, folder)
        except UsageError as error:
            if passed is None or not folder:
                raise
            passed.unreadable.append((folder, str(error.__cause__ and _unreadable(error.__cause__))))
            continue
        folders: list[tuple[str, tuple[str, ...]]] = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if is_system_name(entry.name) or entry.name.startswith("."):
                if not entry.name.lower().startswith(_JUNK):
                    aside.add("system" if is_system_name(entry.name) else "hidden", path)
            elif entry.is_dir(follow_symlinks=False) and not _is_junction(entry):
                folders.append((path, above))
            elif entry.is_symlink() or _is_junction(entry):
                real = os.path.realpath(entry.path)
                here = os.path.realpath(os.path.dirname(entry.path))
                if real in above or os.path.join(here, "").startswith(os.path.join(real, "")):
                    aside.add("loop", path)
                elif not is_inside(real, real_root) or not os.path.exists(real):
                    aside.add("outside", path)
                elif os.path.isfile(real):
                    if _is_picture(entry, path, aside, passed is not None):
                        yield path
                elif not links:
                    aside.add("folder link", path)
                else:
                    folders.append((path, (*above, real)))
            elif not entry.is_file():
                aside.add("device", path)
            elif _is_picture(entry, path, aside, passed is not None):
                yield path
        waiting += reversed(folders)


def is_system_name(name: str) -> bool:
    """Whether a device or a program keeps this folder or file for itself, such as `@eaDir` or `$RECYCLE.BIN`."""
    return name.lower() in _SYSTEM


def is_picture_name(name: str) -> bool:
    return PICTURES.has_suffix(name)


def is_inside(path: str | os.PathLike[str], real_root: str) -> bool:
    """Whether `path`, its links followed, lies below `real_root`, an `os.path.realpath`."""
    real = os.path.realpath(path)
    return real != real_root and real.startswith(os.path.join(real_root, ""))


def parent_name(path: str) -> str:
    """Name of the folder a relative POSIX path lies in; '' at the top."""
    return PurePosixPath(path).parent.name


def existing_path(root: Path, relative: str) -> str:
    """`relative` (POSIX) in the spelling that the disk has below `root`, whatever its Unicode form; '' when it is not there."""
    try:
        if os.path.exists(os.path.join(root, relative)) or relative.isascii():
            return relative if os.path.exists(os.path.join(root, relative)) else ""
        folder, spelt = str(root), list[str]()
        for part in PurePosixPath(relative).parts:
            form = next((one for one in spellings(part) if os.path.lexists(os.path.join(folder, one))), None)
            if form is None:  # forms mixed within one name
                form = next((name for name in os.listdir(folder) if composed(name) == composed(part)), None)
            if form is None:
                return ""
            spelt.append(form)
            folder = os.path.join(folder, form)
        return PurePosixPath(*spelt).as_posix()
    except (OSError, ValueError):  # a NUL, or a file where a folder should be
        return ""


def existing_folder(root: str, *, option: str = "root") -> Path:
    """`root` with ~ expanded, absolute, as the disk spells it. Raises UsageError unless it is a folder."""
    if not root:
        raise UsageError(f"{option} is empty; write {option}=FOLDER, the folder that holds the pictures")
    folder = Path(root).expanduser().absolute()
    if not folder.exists() and (
        spelt := existing_path(Path(folder.anchor), folder.relative_to(folder.anchor).as_posix())
    ):
        folder = Path(folder.anchor) / spelt
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


def _unreadable(error: BaseException) -> str:
    return (
        f"the folder cannot be read ({getattr(error, 'strerror', error)}); change its permissions or move it elsewhere"
    )


def _is_picture(entry: os.DirEntry[str], path: str, aside: PassedOver, by_content: bool) -> bool:
    if aside.wanted.has_suffix(entry.name):
        return True
    try:
        with open(entry.path, "rb") if by_content else contextlib.nullcontext() as file:
            if file is not None and aside.wanted.content.match(file.read(32)):
                aside.add("content", path)
                return True
    except OSError:  # what may not be read is counted by its suffix
        pass
    aside.add(os.path.splitext(entry.name)[1].lower() or "no suffix", path)
    return False


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Windows' own kind of link to a folder, which Python 3.12 and later can tell from a folder."""
    return bool(getattr(entry, "is_junction", bool)())
