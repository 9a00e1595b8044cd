"""Which picture a name in an annotation file means, and how large that picture is."""

from __future__ import annotations

import functools
import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from pipeline.errors import PictureError
from pipeline.files.picture_files import picture_files
from pipeline.images.decoding import upright_size
from pipeline.images.opening import inside


class Places:
    """The pictures of a folder by whole path, by file name and without suffix; listed when first asked for."""

    def __init__(self, root: Path | None) -> None:
        self.root = root

    def find(self, name: str) -> str:
        """`name` as a path below the root; '' when it leads outside, or is nothing.

        With a root: the file of that path, else the only one of that file name, else the plain path itself.
        """
        name = name.strip()
        if "\\" in name or PureWindowsPath(name).drive:
            name = PureWindowsPath(name).as_posix()
        plain = PurePosixPath(name)
        fits = bool(name) and "\0" not in name and not plain.is_absolute() and not PureWindowsPath(name).drive
        path = plain.as_posix() if fits and ".." not in plain.parts and plain.parts else ""
        if self.root is None or (path and self._is_there(path)):
            return path
        return self._only("name", plain.name) or path

    def find_stem(self, stem: str) -> str:
        """The picture whose path without suffix this is, or the only one whose name without suffix it ends in; or ''."""
        plain = PurePosixPath(stem)
        return self._only("stem", stem) or self._only("last", plain.name)

    def size(self, path: str) -> tuple[int, int] | None:
        """(width, height) of the upright picture, from its header; None when there is no picture to read."""
        if self.root is None:
            return None
        try:
            return upright_size(inside(self.root, path))
        except PictureError:
            return None

    def _is_there(self, path: str) -> bool:
        assert self.root is not None
        try:
            return os.path.isfile(inside(self.root, path))
        except PictureError:
            return False

    def _only(self, how: str, key: str) -> str:
        paths = self._listed.get((how, key), [])
        return paths[0] if len(paths) == 1 else ""

    @functools.cached_property
    def _listed(self) -> dict[tuple[str, str], list[str]]:
        paths_by_key: dict[tuple[str, str], list[str]] = {}
        for path in picture_files(self.root) if self.root else ():
            plain = PurePosixPath(path)
            for key in (("name", plain.name), ("stem", plain.with_suffix("").as_posix()), ("last", plain.stem)):
                paths_by_key.setdefault(key, []).append(path)
        return paths_by_key
