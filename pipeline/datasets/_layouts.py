"""Which folder is the dataset's own, where it is published in more than one shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import UsageError

DEPTH = 2  # how far below the folder a person names the dataset's own folder may lie


def find_layout(
    name: str, folder: Path, layouts: Sequence[Sequence[str]], *, wanted: str = ""
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
    wanted = wanted or "; or ".join(", ".join(layout) for layout in layouts)
    raise UsageError(
        f"{folder} is not {name}: no folder there holds {wanted}"
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
