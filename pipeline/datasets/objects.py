"""The objects in pictures, one record a box of an annotation file: ground truth or a detector's predictions."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.annotations import annotations as annotation_files
from pipeline.annotations.annotations import Annotations
from pipeline.errors import UsageError
from pipeline.files.picture_files import existing_folder
from pipeline.images.regions import around, box_text
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary="objects: a record for each box of an annotation file (COCO, VOC, YOLO, VIA, CVAT, CSV) or of predictions",
    licence="that of your pictures",
)


def build(
    *,
    annotations: PathText,
    root: PathText,
    format: str = "auto",
    truth: PathText = PathText(""),
    margin: float = 0.1,
    label: bool = True,
) -> Objects:
    """annotations: the file, or the folder of a format with a file a picture. root: what its paths are relative to.

    truth: ground truth with the numbers that a list of COCO results uses. margin: so much of a box's width and height
    more on each side. label=false: the label stays out, as for pictures that nobody has checked.
    """
    folder = existing_folder(root)
    source = Path(annotations).expanduser().absolute()
    if not source.exists():
        raise UsageError(f"annotations={annotations}: there is no such file or folder; check the spelling")
    if format != "auto" and format not in annotation_files.formats():
        raise UsageError(
            f"objects: format={format!r} is unknown; choose from auto, {', '.join(annotation_files.formats())}"
        )
    if not 0 <= margin <= 2:
        raise UsageError(f"objects: margin={margin} is out of range; choose a share from 0 to 2, e.g. 0.1")
    return Objects(source, folder, format=format, truth=truth, margin=margin, label=label)


class Objects:
    """A record a box, those of one picture together. Groups (crowds) are no objects.

    metadata: `number`, the box's place in the file; `score`, where these are predictions; the boxes' attributes.
    """

    def __init__(self, file: Path, root: Path, *, format: str, truth: str, margin: float, label: bool) -> None:
        self.file, self.root = file, root
        self._format, self._truth, self._margin, self._label = format, truth, margin, label

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: pictures and annotations are yours."""

    @functools.cached_property
    def annotations(self) -> Annotations:
        truth = Path(self._truth).expanduser() if self._truth else None
        return annotation_files.read(self.file, self._format, pictures=self.root, truth=truth)

    @property
    def notes(self) -> list[str]:
        """What was wrong in the file, counted by kind."""
        return annotation_files.fault_notes(self.annotations)

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError for a file that cannot be read or has no box."""
        annotations = self.annotations
        boxes = annotations.boxes[~annotations.boxes["crowd"]]
        if boxes.empty:
            why = "".join(f"; {note}" for note in self.notes[:2])
            raise UsageError(
                f"{self.file} has no boxes{why or '; say which format it is in if that is wrong: format=…'}"
            )
        place = {path: at for at, path in enumerate(annotations.pictures["path"])}
        sizes = {row.path: (row.width, row.height) for row in annotations.pictures.itertuples()}
        boxes = boxes.iloc[boxes["path"].map(lambda path: place.get(path, len(place))).argsort(kind="stable")]
        attributes = [_attributes(text) for text in boxes["attributes"]]
        keys = sorted({key for one in attributes for key in one} - {"number", "score"})
        for row, more in zip(boxes.itertuples(), attributes, strict=True):
            sides = (row.x, row.y, row.width, row.height)
            box = box_text(around(sides, size=sizes.get(row.path, (0, 0)), margin=self._margin))
            metadata = {"number": str(row.number)} | ({"score": f"{row.score:.4f}"} if annotations.predicted else {})
            metadata |= {key: more.get(key, "") for key in keys}
            yield ImageRecord(row.path, row.label if self._label else "", metadata=metadata, box=box)


def _attributes(text: str) -> dict[str, str]:
    annotations: dict[str, Any] = json.loads(text) if text else {}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in annotations.items()}
