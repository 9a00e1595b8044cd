"""Which picture of a gallery a table, or another tool, means: by its id, its path, or a file name that only one has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from pipeline import schema
from pipeline.gallery.gallery import Gallery


class Names:
    """What a gallery's pictures can be named by."""

    def __init__(self, gallery: Gallery) -> None:
        held = gallery.table()
        whole = held[held["box"] == ""] if (held["box"] == "").any() else held
        self.ids = set(held["id"])
        self.paths = {_plain(path): picture for path, picture in zip(whole["path"], whole["id"], strict=True)}
        self.path_of = {picture: path for path, picture in self.paths.items()}
        self.names = _only(self.paths, lambda path: path.name)
        self.stems = _only(self.paths, lambda path: path.stem)
        self.bare = _only(self.paths, lambda path: str(path.with_suffix("")))
        self.parts: dict[str, list[str]] = {}
        for picture, parent in zip(held["id"], held["parent"], strict=True):
            self.parts.setdefault(parent or picture, []).append(picture)

    def find(self, named: str) -> tuple[str, str]:
        """The picture that a cell names and by what; without one '' and, where several have the name, why."""
        if named in self.ids:
            return named, "id"
        steps = _plain(named).split("/")
        for paths in (self.paths, self.bare):
            for start in range(len(steps)):  # an absolute path ends with the one below the dataset's folder
                if picture := paths.get("/".join(steps[start:])):
                    return picture, "path"
        for names in (self.names, self.stems):
            if (picture := names.get(steps[-1])) is not None:
                return picture, "file name" if picture else "several"
        return "", ""


def _only(paths: Mapping[str, str], name_of: Callable[[PurePosixPath], str]) -> dict[str, str]:
    """Name to picture; '' for a name that several have."""
    found: dict[str, str] = {}
    for path, picture in paths.items():
        name = name_of(PurePosixPath(path))
        found[name] = "" if name in found else picture
    return found


def _plain(path: str) -> str:
    path = schema.composed(path.replace("\\", "/"))
    return path.removeprefix("./").strip("/")
