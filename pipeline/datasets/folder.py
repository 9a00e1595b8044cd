"""Any folder of pictures, its sub-folders read as labels and splits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.files.picture_files import READABLE, existing_folder, parent_name, picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary="a folder of pictures, sub-folders and all; a folder's name is its pictures' label",
    licence="that of your pictures",
)
SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


def build(*, root: PathText, labels: bool = True) -> Folder:
    """labels=false for folders whose names mean nothing, such as a camera's."""
    return Folder(existing_folder(root), labels=labels)


class Folder:
    """label: name of the folder a picture lies in, '' at the top.

    split: when all first-level folders that hold pictures are called train, val, valid, validation or test, in any
    case, they are splits and not labels (the first three spellings of validation read as `validation`).
    """

    def __init__(self, root: Path, *, labels: bool) -> None:
        self.root = root
        self._labels = labels

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError when there is no picture at all."""
        splits = self._splits()
        path = None
        for path in picture_files(self.root):
            first, slash, _ = path.partition("/")
            split = splits.get(first, "") if slash else ""
            label = parent_name(path) if self._labels and not (split and path.count("/") == 1) else ""
            yield ImageRecord(path, label=label, split=split)
        if path is None:
            raise UsageError(
                f"no pictures found in {self.root} or its sub-folders; files ending in {' '.join(READABLE)} are "
                "looked for, hidden ones and links that lead elsewhere are not"
            )

    def _splits(self) -> dict[str, str]:
        """First-level folder to split; empty when one of them is something else."""
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        named = {name: SPLITS.get(name.lower(), "") for name in names if not name.startswith(".")}
        others = (name for name, split in named.items() if not split)
        return {} if any(any(picture_files(self.root / name)) for name in others) else named
