"""Any folder of pictures, its sub-folders read as labels and splits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets._walk import Walk
from pipeline.files.picture_files import existing_folder
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary="a folder of pictures, sub-folders and all; a folder's name is its pictures' label",
    licence="that of your pictures",
)


def build(*, root: PathText, labels: bool = True, links: bool = False) -> Folder:
    """labels=false for folders whose names mean nothing, such as a camera's. links: follow links to folders inside root."""
    return Folder(existing_folder(root), labels=labels, links=links)


class Folder:
    """The pictures, labels and splits of a walk. notes, unreadable: what the last `records` passed over."""

    def __init__(self, root: Path, *, labels: bool, links: bool) -> None:
        self.root = root
        self._walk = Walk(root, labels=labels, links=links)

    @property
    def notes(self) -> list[str]:
        return self._walk.passed.notes

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        return self._walk.passed.unreadable

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError when there is no picture at all."""
        return self._walk.records()
