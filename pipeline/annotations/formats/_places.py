"""Which picture a name in an annotation file means, and how large that picture is. Two candidates are a fault, never a guess."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from pipeline.errors import PictureError
from pipeline.files.picture_files import PassedOver, existing_path, picture_files
from pipeline.images.decoding import upright_size
from pipeline.images.opening import inside
from pipeline.schema import composed

OUTSIDE = "the path leads outside the pictures' folder; the picture and its boxes are left out"
MISSING = "there is no picture of this path to read; kept, but it cannot be shown"
SEVERAL = "several pictures could be meant, so none is taken; write the picture's folder before its name"
TAKEN = "another name means that picture, so this one's is missing"

# Folders that say what they hold and not which pictures: `labels/val/1.txt` belongs to `images/val/1.jpg`.
_STRUCTURE = frozenset(
    [
        "images",
        "image",
        "imgs",
        "img",
        "jpegimages",
        "labels",
        "label",
        "annotations",
        "annotation",
        "anns",
        "ann",
        "xml",
        "xmls",
        "boxes",
        "data",
    ]
)
_SPLIT = re.compile(r"(train|val|test|dev)(?:ing|id|idation)?[-_]?\d*")
_EXACT = 1_000  # agreement of a name that is the path itself


@dataclass(frozen=True)
class Meant:
    """path: '' = left out. fault: what was wrong, '' = nothing; place: the name, and the candidates where there are any."""

    path: str
    place: str = ""
    fault: str = ""


@dataclass(frozen=True)
class _Name:
    """A name's folders (without `_STRUCTURE`) and its last part. free: they are those of another machine."""

    path: str
    folders: tuple[str, ...]
    last: str
    free: bool


class Places:
    """The pictures of a folder by file name and without suffix; listed when first asked for.

    beside: the folder that the annotations lie in, whose own names count where those below the root say nothing.
    """

    def __init__(self, root: Path | None, beside: Path | None = None) -> None:
        self.root = root
        self._above = telling(root.absolute().parts[1:]) if root else ()
        self._beside = beside.absolute() if beside else None
        self._beside_above = telling(self._beside.parts[1:]) if self._beside else ()

    def meant(self, names: Iterable[str], *, stems: bool = False) -> dict[str, Meant]:
        """Each name's picture. stems: names come without suffix.

        With a root: the file of that path; else the one picture of that file name whose folders agree as far as they are
        told on both sides, unless two names mean it. Without a root: the plain path.
        """
        plain = {name: _plain(name, self.root) for name in dict.fromkeys(names)}
        if self.root is None:
            return {name: _kept(name, one) for name, one in plain.items()}
        choices = {name: self._choice(one, stems) for name, one in plain.items() if one}
        claims: dict[str, dict[str, int]] = {}
        for name, (paths, agreement) in choices.items():
            if len(paths) == 1:
                claims.setdefault(paths[0], {}).setdefault(_path(plain[name]), agreement)
        return {
            name: self._judged(name, one, *choices[name], claims, stems) if one else Meant("", name, OUTSIDE)
            for name, one in plain.items()
        }

    def size(self, path: str) -> tuple[int, int] | None:
        """(width, height) of the upright picture, from its header; None when there is no picture to read."""
        if self.root is None:
            return None
        try:
            return upright_size(inside(self.root, path))
        except PictureError:
            return None

    def path_of(self, file: Path) -> str:
        """A file's path below the root, as the annotations' pictures are named; '' when it lies elsewhere."""
        real_root, real = os.path.realpath(self.root or "/"), os.path.realpath(file)
        if self.root is None or not real.startswith(os.path.join(real_root, "")):
            return ""
        return Path(os.path.relpath(real, real_root)).as_posix()

    @functools.cache  # noqa: B019 - it lives as long as one reading
    def stems_in(self, folder: Path) -> dict[str, list[str]]:
        """Names of the files that lie in a folder, by what stands before their suffix."""
        names: dict[str, list[str]] = {}
        for name in sorted(os.listdir(folder)):
            names.setdefault(PurePosixPath(name).stem, []).append(name)
        return names

    def of_file_size(self, name: str, size: int) -> list[str]:
        """Pictures of this file name that have so many bytes."""
        paths = self._listed.get(("name", _key(PurePosixPath(name).name)), []) if self.root else []
        return [path for path in paths if self.root and (self.root / path).stat().st_size == size]

    def _choice(self, name: _Name, stems: bool) -> tuple[list[str], int]:
        """(the pictures that agree best, how well)."""
        assert self.root is not None
        if not stems and not name.free and (path := self._spelt(name.path)):
            return [path], _EXACT
        if not stems and self._beside and (path := self.path_of(self._beside / name.path)) and self._spelt(path):
            return [path], _EXACT - 1
        listed = self._listed.get(("stem" if stems else "name", _key(name.last)), [])
        agreements = {path: self._agreement(name, path) for path in listed}
        best = max(agreements.values(), default=-1)
        return [path for path, agreement in agreements.items() if agreement == best and best >= 0], best

    def _judged(
        self, name: str, one: _Name, paths: list[str], agreement: int, claims: dict[str, dict[str, int]], stems: bool
    ) -> Meant:
        own = "" if one.free or stems else one.path
        if len(paths) == 1:
            others = {path: n for path, n in claims[paths[0]].items() if path != _path(one)}
            if all(agreement > n for n in others.values()):
                return Meant(paths[0])
            first = next(path for path, n in others.items() if n >= agreement)
            return Meant(own, f"{name} (as {first}: {paths[0]})", TAKEN)
        if paths:
            return Meant(own, f"{name}: {' or '.join(paths[:4])}{' …' if len(paths) > 4 else ''}", SEVERAL)
        near = self._listed.get(("stem" if stems else "name", _key(one.last)), [])
        place = f"{name} (another folder's: {near[0]})" if near else name
        return Meant(own, place, OUTSIDE if one.free else MISSING)

    def _spelt(self, path: str) -> str:
        """The path in the spelling that the disk has; '' when there is no such file."""
        assert self.root is not None
        try:
            spelt = existing_path(self.root, path)
            return spelt if spelt and os.path.isfile(inside(self.root, spelt)) else ""
        except PictureError:
            return ""

    def _agreement(self, name: _Name, path: str) -> int:
        """How many folders agree, from the last one up; -1 where they contradict each other."""
        folders = telling(PurePosixPath(path).parts[:-1])
        theirs = [*reversed(folders), *reversed(self._above)]
        ours = [*reversed(name.folders), *(() if name.free else reversed(self._beside_above))]
        for at, (a, b) in enumerate(zip(ours, theirs, strict=False)):
            if _key(a) == _key(b):
                continue
            told = at < len(name.folders)  # by the name itself, and not only by where its file lies
            if told and (at < len(folders) or not name.free):
                return -1
            return -1 if _differ_as_splits(a, b) else at
        return min(len(ours), len(theirs))

    @functools.cached_property
    def _listed(self) -> dict[tuple[str, str], list[str]]:
        paths_by_key: dict[tuple[str, str], list[str]] = {}
        for path in picture_files(self.root, PassedOver()) if self.root else ():
            plain = PurePosixPath(path)
            for key in (("name", _key(plain.name)), ("stem", _key(plain.stem))):
                paths_by_key.setdefault(key, []).append(path)
        return paths_by_key


def _plain(name: str, root: Path | None) -> _Name | None:
    """None for a name that means nothing, or something outside when there is no root to look in."""
    name = name.strip()
    if not name or "\0" in name:
        return None
    windows = PureWindowsPath(name)
    if "\\" in name or windows.drive:
        name = windows.as_posix()
    path = PurePosixPath(name)
    free = path.is_absolute() or bool(windows.drive) or ".." in path.parts
    if free and root is not None and path.is_absolute() and path.is_relative_to(root.absolute()):
        path, free = path.relative_to(root.absolute()), ".." in path.relative_to(root.absolute()).parts
    parts = path.parts[len(path.parts) - path.parts[::-1].index("..") :] if ".." in path.parts else path.parts
    if not parts or (free and root is None):
        return None
    folders = tuple(part for part in parts[:-1] if part != "/" and not part.endswith(":") and not part.endswith(":/"))
    return _Name(path.as_posix(), telling(folders), parts[-1], free)


def _kept(name: str, one: _Name | None) -> Meant:
    return Meant(one.path) if one else Meant("", name or "(no name)", OUTSIDE)


def _path(one: _Name | None) -> str:
    assert one is not None
    return composed(one.path)


def telling(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(folder for folder in folders if folder.lower() not in _STRUCTURE)


def _differ_as_splits(a: str, b: str) -> bool:
    splits = [match[1] for one in (a, b) if (match := _SPLIT.fullmatch(one.lower()))]
    return len(splits) == 2 and splits[0] != splits[1]


def _key(text: str) -> str:
    return composed(text).casefold()
