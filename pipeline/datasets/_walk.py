"""A walk through a person's own folder: what its sub-folders say of the files in them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.files.picture_files import PassedOver, is_system_name, parent_name, picture_files
from pipeline.files.wanted import PICTURES, Wanted
from pipeline.records import ImageRecord
from pipeline.schema import composed

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


class Walk:
    """label: name of the folder a file lies in, '' at the top.

    split: when all first-level folders that hold wanted files are called train, val, valid, validation or test, in any
    case, they are splits and not labels (the first three spellings of validation read as `validation`).
    passed: what the last `records` passed over.
    """

    def __init__(self, root: Path, *, labels: bool, links: bool, wanted: Wanted = PICTURES) -> None:
        self.root, self._wanted = root, wanted
        self._labels, self._links = labels, links
        self.passed = PassedOver(wanted)

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError when there is no such file at all."""
        splits = self._splits()
        path = None
        self.passed = PassedOver(self._wanted)
        for path in picture_files(self.root, self.passed, links=self._links):
            first, slash, _ = path.partition("/")
            split = splits.get(first, "") if slash else ""
            label = composed(parent_name(path)) if self._labels and not (split and path.count("/") == 1) else ""
            yield ImageRecord(path, label=label, split=split)
        if path is None:
            aside = [*self.passed.notes, *(f"{place}: {why}" for place, why in self.passed.unreadable)]
            raise UsageError(
                f"no {self._wanted.noun}s found in {self.root} or its sub-folders; files ending in "
                f"{' '.join(self._wanted.suffixes)} are looked for, hidden ones and links that lead elsewhere are not"
                + "".join(f"; {note}" for note in aside)
            )

    def _splits(self) -> dict[str, str]:
        """First-level folder to split; empty when one of them is something else."""
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        shown = [name for name in names if not name.startswith(".") and not is_system_name(name)]
        return splits_of({name for name in shown if name.lower() in SPLITS or self._has_some(name)})

    def _has_some(self, name: str) -> bool:
        try:
            return any(picture_files(self.root / name, PassedOver(self._wanted)))
        except UsageError:  # it cannot be read, which `records` says
            return False


def splits_of(folders: Collection[str]) -> dict[str, str]:
    """First-level folders that hold wanted files, to their splits; empty when one of them is something else."""
    named = {name: SPLITS.get(name.lower(), "") for name in folders}
    return named if all(named.values()) else {}
