"""Caltech-256: pictures of objects, 256 labels, no splits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.datasets._folders import Published, given_origin
from pipeline.files.picture_files import picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord

CARD = Card(
    summary="29,780 pictures of objects, 256 labels; 257.clutter is left out",
    licence="CC BY 4.0",
    source="https://data.caltech.edu/records/nyy15-4j048",
)
CLUTTER = "257.clutter"
NAMED = re.compile(r"\d{3}\.(?P<label>[^/]+)/[^/]+")  # what lies deeper, in 056.dog/greg, is not of the dataset


def build(*, root: PathText) -> Caltech256:
    """root: 256_ObjectCategories, a folder above it, or the archive 256_ObjectCategories.tar."""
    return Caltech256(
        given_origin("caltech256", root, ("001.ak47", "002.american-flag", "256.toad"), source=CARD.source)
    )


class Caltech256(Published):
    """Layout: NNN.LABEL/NNN_MMMM.jpg."""

    def records(self) -> Iterator[ImageRecord]:
        self._origin.check_prepared()
        for path in picture_files(self.root):
            match = NAMED.fullmatch(path)
            if match and not path.startswith(CLUTTER):
                yield ImageRecord(path, label=match["label"])
