"""Any folder of pictures, its sub-folders read as labels and splits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.files.picture_files import (
    READABLE,
    PassedOver,
    existing_folder,
    is_system_name,
    parent_name,
    picture_files,
)
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent
from pipeline.schema import composed

CARD = Card(
    summary="a folder of pictures, sub-folders and all; a folder's name is its pictures' label",
    licence="that of your pictures",
)
SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


def build(*, root: PathText, labels: bool = True, links: bool = False) -> Folder:
    """labels=false for folders whose names mean nothing, such as a camera's. links: follow links to folders inside root."""
    return Folder(existing_folder(root), labels=labels, links=links)


class Folder:
    """label: name of the folder a picture lies in, '' at the top.

    split: when all first-level folders that hold pictures are called train, val, valid, validation or test, in any
    case, they are splits and not labels (the first three spellings of validation read as `validation`).
    notes, unreadable: what the last `records` passed over.
    """

    def __init__(self, root: Path, *, labels: bool, links: bool) -> None:
        self.root = root
        self._labels, self._links = labels, links
        self._passed = PassedOver()

    @property
    def notes(self) -> list[str]:
        return self._passed.notes

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        return self._passed.unreadable

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError when there is no picture at all."""
        splits = self._splits()
        path = None
        self._passed = PassedOver()
        for path in picture_files(self.root, self._passed, links=self._links):
            first, slash, _ = path.partition("/")
            split = splits.get(first, "") if slash else ""
            label = composed(parent_name(path)) if self._labels and not (split and path.count("/") == 1) else ""
            yield ImageRecord(path, label=label, split=split)
        if path is None:
            raise UsageError(
                f"no pictures found in {self.root} or its sub-folders; files ending in {' '.join(READABLE)} are "
                "looked for, hidden ones and links that lead elsewhere are not"
                + "".join(f"; {note}" for note in [*self.notes, *(f"{place}: {why}" for place, why in self.unreadable)])
            )

    def _splits(self) -> dict[str, str]:
        """First-level folder to split; empty when one of them is something else."""
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        named = {
            name: SPLITS.get(name.lower(), "")
            for name in names
            if not name.startswith(".") and not is_system_name(name)
        }
        others = (name for name, split in named.items() if not split)
        return {} if any(self._has_pictures(name) for name in others) else named

    def _has_pictures(self, name: str) -> bool:
        try:
            return any(picture_files(self.root / name, PassedOver()))
        except UsageError:  # it cannot be read, which `records` says
            return False
