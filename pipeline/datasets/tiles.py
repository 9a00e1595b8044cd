"""Any folder of pictures, each one whole and in overlapping parts: a cut-out then finds the picture it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.files.picture_files import existing_folder
from pipeline.images import decoding
from pipeline.images.decoding import upright_size
from pipeline.images.regions import Box, around, box_text
from pipeline.plugins import Card, PathText
from pipeline.records import Dataset, ImageRecord, Progress, silent

CARD = Card(
    summary="a folder of pictures, each whole and in grid x grid overlapping parts: to find the whole from a cut-out",
    licence="that of your pictures",
)


def build(*, root: PathText, grid: int = 3, labels: bool = True) -> Tiles:
    """grid=3: nine parts, each half as wide and high as the picture, and half over its neighbour; grid=2: four.

    labels: as in the dataset `folder`.
    """
    if not 2 <= grid <= 8:
        raise UsageError(f"tiles: grid={grid} is out of range; choose from 2 to 8")
    return Tiles(plugins.build("datasets", "folder", root=existing_folder(root), labels=labels), grid)


class Tiles:
    """The records of a folder, each followed by its parts."""

    def __init__(self, pictures: Dataset, grid: int) -> None:
        self.root: Path = pictures.root
        self._pictures, self._grid = pictures, grid

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    @property
    def notes(self) -> list[str]:
        return list(getattr(self._pictures, "notes", []))

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        return list(getattr(self._pictures, "unreadable", []))

    def records(self) -> Iterator[ImageRecord]:
        """A picture whose header cannot be read has no parts; its ingest says why."""
        for record in self._pictures.records():
            yield record
            if size := upright_size(self.root / record.path):
                for box in windows(size, self._grid):
                    yield replace(record, box=box_text(box))


def windows(size: tuple[int, int], grid: int) -> list[Box]:
    """Row by row; none for a picture so small that they would be no pictures."""
    across, down = (side / (grid + 1) for side in size)
    if min(across, down) * 2 < decoding.MIN_SIDE:
        return []
    return [
        around((column * across, row * down, 2 * across, 2 * down), size=size)
        for row in range(grid)
        for column in range(grid)
    ]
