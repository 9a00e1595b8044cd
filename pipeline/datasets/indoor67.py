"""MIT Indoor 67: photos of rooms and other indoor scenes, 67 labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets._folders import Published, given_origin
from pipeline.datasets._lists import check_folders, lines_of
from pipeline.errors import SemblanceError
from pipeline.files.picture_files import parent_name, picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord

CARD = Card(
    summary="15,620 photos of indoor scenes, 67 labels; of each label about 80 are for training and 20 for test",
    licence="for research only",
    source="https://web.mit.edu/torralba/www/indoor.html",
)
LISTS = {"train": "TrainImages.txt", "test": "TestImages.txt"}


def build(*, root: PathText) -> Indoor67:
    """root: the folder Images, one above it, or the archive indoorCVPR_09.tar.

    TrainImages.txt and TestImages.txt, which the archive lacks, are looked for in Images, beside it, and beside the
    archive; without them nothing has a split.
    """
    return Indoor67(given_origin("indoor67", root, ("airport_inside", "kitchen", "winecellar"), source=CARD.source))


class Indoor67(Published):
    """Layout: LABEL/*.jpg. split: train or test where a list says so, else ''. Some files are broken, as published."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises SemblanceError for one list without the other, and for a list of labels that are not there."""
        self._origin.check_prepared()
        splits = self._splits()
        for path in picture_files(self.root):
            yield ImageRecord(path, label=parent_name(path), split=splits.get(path, ""))

    def _splits(self) -> dict[str, str]:
        beside = self._origin.archive or self.root
        files = {split: _first([self.root / name, beside.parent / name]) for split, name in LISTS.items()}
        there = [file for file in files.values() if file]
        if len(there) == 1:
            lacking = next(LISTS[split] for split, file in files.items() if not file)
            raise SemblanceError(f"{there[0]} is there and {lacking} is not; get both from {CARD.source}")
        splits: dict[str, str] = {}
        for split, file in files.items():
            if file:
                paths = lines_of(file)
                check_folders(self.root, paths, file=file)
                splits |= dict.fromkeys(paths, split)
        return splits


def _first(files: list[Path]) -> Path | None:
    return next((file for file in files if file.is_file()), None)
