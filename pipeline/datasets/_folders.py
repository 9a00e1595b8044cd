"""The dataset's own folder: one that a person has, in one of the shapes it is published in, or its archive, unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.files.archives import Origin, Source
from pipeline.records import Progress, silent

DEPTH = 2  # how far below the folder a person names the dataset's own folder may lie


class Published:
    """What datasets that come as an archive or a folder share; each adds its `records`, which begin with `_origin.check_prepared()`."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.root = origin.root

    def prepare(self, progress: Progress = silent) -> None:
        """Download and unpack once. Raises SemblanceError when that fails."""
        self._origin.prepare(progress)


def given_origin(name: str, root: str, has: Sequence[str], *, source: str) -> Origin:
    """has: by what its own folder is recognised. Raises UsageError for an empty root and for something else."""
    if not root:
        raise UsageError(f"{name} is not downloaded here; get it from {source} and give it as root=PATH")
    return Source(name, has).at(root)


def find_layout(
    name: str, folder: Path, layouts: Sequence[Sequence[str]], *, expected: str = ""
) -> tuple[Path, Sequence[str]]:
    """The folder, `folder` or one at most two levels below it, that holds all of a layout's files and folders.

    Raises UsageError that says what is wanted (default: the layouts), and what the folder that comes nearest lacks.
    """
    nearest: tuple[int, str] = (0, "")
    for candidate in _at_most(DEPTH, folder):
        for layout in layouts:
            lacking = [part for part in layout if not (candidate / part).exists()]
            if not lacking:
                return candidate, layout
            if len(layout) - len(lacking) > nearest[0]:
                nearest = len(layout) - len(lacking), f"{candidate}, has no {', '.join(lacking)}"
    expected = expected or "; or ".join(", ".join(layout) for layout in layouts)
    raise UsageError(
        f"{folder} is not {name}: no folder there holds {expected}"
        + (f". The nearest, {nearest[1]}" if nearest[1] else "; check the path")
    )


def _at_most(depth: int, folder: Path) -> Iterator[Path]:
    """Level by level, by name; hidden folders and those that cannot be read are passed over."""
    level = [folder]
    for _ in range(depth + 1):
        yield from level
        level = [below for above in level for below in _folders(above)]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
