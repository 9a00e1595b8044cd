"""What is cut out of a case's pictures and compared: whole pictures, or each object and each box that lies on none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.hard_cases.case import Round
from pipeline.images.regions import around, box_text
from pipeline.records import ImageRecord, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["path", "box", "label", "part", "source", "number", "score"]


class Crops:
    """The dataset of a round: a record a crop, pictures in order. crops: a table of COLUMNS."""

    def __init__(self, root: Path, crops: pd.DataFrame) -> None:
        self.root, self._crops = root, crops

    def prepare(self, progress: Progress = silent) -> None:
        """Everything is there."""

    def records(self) -> Iterator[ImageRecord]:
        for row in self._crops.drop_duplicates(["path", "box"]).itertuples():
            about = {"source": row.source} | ({"number": str(row.number)} if row.box else {})
            about |= {"detector": f"{row.score:.3f}"} if row.score == row.score else {}
            yield ImageRecord(row.path, row.label, row.part, about, row.box)


def picture_crops(round: Round) -> pd.DataFrame:
    """A row a picture of pool and reference."""
    import pandas as pd

    pictures = [(path, "", "", part, "picture", -1, math.nan) for part in round.split for path in round.split[part]]
    return pd.DataFrame(pictures, columns=COLUMNS).sort_values("path", ignore_index=True)


def object_crops(round: Round, *, margin: float, score: float) -> pd.DataFrame:
    """A row for each annotated box, for each predicted box that lies on none, and for each predicted box of the reference.

    In the pool a predicted box with IoU ≥ .5 to an object would show that object once more. score: the least of a
    predicted box. margin: what is added on each side, as a share of it.
    """
    import pandas as pd

    from pipeline.metrics.detection import match

    part_of = {path: part for part, paths in round.split.items() for path in paths}
    truth = round.truth.only(part_of)
    predicted = match(truth, round.predictions.only(part_of), score=score).predictions
    predicted = predicted[(predicted["iou"] < 0.5) | predicted["path"].isin(round.reference)]
    sizes = {row.path: (row.width, row.height) for row in truth.pictures.itertuples()}
    rows = []
    for source, boxes in (("object", truth.boxes[~truth.boxes["crowd"]]), ("prediction", predicted)):
        for row in boxes.itertuples():
            box = around((row.x, row.y, row.width, row.height), margin=margin, size=sizes[row.path])
            rows.append((row.path, box_text(box), row.label, part_of[row.path], source, row.number, row.score))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("path", kind="stable", ignore_index=True)
