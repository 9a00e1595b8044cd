"""Tiny ImageNet: 120,000 pictures of 64 × 64 pixels, 200 labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pipeline.datasets._folders import Published
from pipeline.datasets._imagenet_lists import labels_of
from pipeline.errors import SemblanceError
from pipeline.files.archives import Source
from pipeline.files.picture_files import picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord

CARD = Card(
    summary="100,000 + 10,000 + 10,000 pictures of 64 × 64 pixels, 200 labels (a download of 248 MB)",
    licence="for research and education, not commercial (ImageNet's terms)",
    source="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
)
SHA256 = "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"  # of the zip, 248,100,043 bytes
HAS = ("wnids.txt", "words.txt", "train", "val/images", "val/val_annotations.txt")  # test is often thrown away
UNLABELED = {"test": "Tiny ImageNet's test split has no public labels; measure on split=validation, which is labelled"}


def build(*, root: PathText = PathText("")) -> TinyImagenet:
    """root: tiny-imagenet-200 as a folder, the folder above it, or the zip; empty: download into the cache."""
    return TinyImagenet(Source("tiny-imagenet-200", HAS, url=CARD.source, sha256=SHA256).at(root))


class TinyImagenet(Published):
    """Records: train by wnid, then validation, then test.

    label: first word of the wnid's line in words.txt, such as goldfish; '' in the test split.
    metadata: wnid, and box, "x,y,w,h" in pixels of the object's bounding box; '' in the test split.
    unlabeled: split to the reason why nothing can be measured on it.
    """

    unlabeled = UNLABELED

    def records(self) -> Iterator[ImageRecord]:
        """Raises SemblanceError for an annotation that cannot be read."""
        self._origin.check_prepared()
        wnids = (self.root / "wnids.txt").read_text(encoding="utf-8").split()
        labels = labels_of(wnids, _words(self.root / "words.txt", set(wnids)))
        for wnid, paths in groupby(picture_files(self.root / "train"), key=lambda path: path.partition("/")[0]):
            file = self.root / "train" / wnid / f"{wnid}_boxes.txt"
            boxes = {row[0]: _box(row[1:5], file) for row in _rows(file, 5)}
            for path in paths:
                box = boxes.get(path.rpartition("/")[2], "")
                yield ImageRecord(f"train/{path}", labels.get(wnid, wnid), "train", {"wnid": wnid, "box": box})
        file = self.root / "val/val_annotations.txt"
        marked = {row[0]: (row[1], _box(row[2:6], file)) for row in _rows(file, 6)}
        for path in picture_files(self.root / "val/images"):
            wnid, box = marked.get(path, ("", ""))
            yield ImageRecord(f"val/images/{path}", labels.get(wnid, wnid), "validation", {"wnid": wnid, "box": box})
        for path in picture_files(self.root / "test/images") if (self.root / "test/images").is_dir() else ():
            yield ImageRecord(f"test/images/{path}", "", "test", {"wnid": "", "box": ""})


def _words(file: Path, wnids: set[str]) -> dict[str, list[str]]:
    """wnid to its synonyms; the file has 82,115 lines of which 200 matter."""
    rows = (line.partition("\t") for line in file.read_text(encoding="utf-8").splitlines())
    return {wnid: [word.strip() for word in words.split(",")] for wnid, _, words in rows if wnid in wnids}


def _rows(file: Path, columns: int) -> list[list[str]]:
    rows = (
        [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        if file.exists()
        else []
    )
    if any(len(row) < columns for row in rows):
        raise SemblanceError(f"{file} is damaged: a line has fewer than {columns} columns; unpack the dataset again")
    return rows


def _box(corners: list[str], file: Path) -> str:
    """First and last pixel of each side, both within the box, to "x,y,w,h"."""
    try:
        left, top, right, bottom = map(int, corners)
    except ValueError:
        raise SemblanceError(f"{file} is damaged: {' '.join(corners)} is not a box; unpack the dataset again") from None
    return f"{left},{top},{right - left + 1},{bottom - top + 1}"
