"""Caltech-101: pictures of objects, 101 labels, no splits."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import UsageError
from pipeline.files.archives import Origin, Source
from pipeline.files.picture_files import parent_name, picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary="8,677 pictures of objects, 101 labels; the clutter of BACKGROUND_Google is left out",
    licence="CC BY 4.0",
    source="https://data.caltech.edu/records/mzrjq-6wc02",
)
BACKGROUND = "BACKGROUND_Google"


def build(*, root: PathText) -> Caltech101:
    """root: 101_ObjectCategories, a folder above it, or the archive (caltech-101.zip, 101_ObjectCategories.tar.gz)."""
    if not root:
        raise UsageError(f"caltech101 is not downloaded here; get it from {CARD.source} and give it as root=PATH")
    # Three labels tell the folder whatever it is called
    return Caltech101(Source("caltech101", ("accordion", "airplanes", "yin_yang")).at(root))


class Caltech101:
    """Layout: LABEL/image_NNNN.jpg."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.root = origin.root

    def prepare(self, progress: Progress = silent) -> None:
        """Unpack an archive once. Raises SemblanceError when that fails."""
        self._origin.prepare(progress)

    def records(self) -> Iterator[ImageRecord]:
        self._origin.check_prepared()
        for path in picture_files(self.root):
            label = parent_name(path)
            if label != BACKGROUND:
                yield ImageRecord(path, label=label)
