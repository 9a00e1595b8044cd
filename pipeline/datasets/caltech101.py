"""Caltech-101: pictures of objects, 101 labels, no splits."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.datasets._folders import Published, given_origin
from pipeline.files.picture_files import parent_name, picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord

CARD = Card(
    summary="8,677 pictures of objects, 101 labels; the clutter of BACKGROUND_Google is left out",
    licence="CC BY 4.0",
    source="https://data.caltech.edu/records/mzrjq-6wc02",
)
BACKGROUND = "BACKGROUND_Google"


def build(*, root: PathText) -> Caltech101:
    """root: 101_ObjectCategories, a folder above it, or the archive (caltech-101.zip, 101_ObjectCategories.tar.gz)."""
    folders = ("accordion", "airplanes", "yin_yang")  # three labels tell the folder whatever it is called
    return Caltech101(given_origin("caltech101", root, folders, source=CARD.source))


class Caltech101(Published):
    """Layout: LABEL/image_NNNN.jpg."""

    def records(self) -> Iterator[ImageRecord]:
        self._origin.check_prepared()
        for path in picture_files(self.root):
            label = parent_name(path)
            if label != BACKGROUND:
                yield ImageRecord(path, label=label)
