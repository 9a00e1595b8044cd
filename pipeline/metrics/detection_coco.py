"""The COCO evaluation of annotations: pycocotools' own matching and precision, without what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.annotations.annotations import Annotations

AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}


def evaluated(
    truth: Annotations, predictions: Annotations, *, paths: Sequence[str], areas: Sequence[str], accumulate: bool = True
) -> Any:
    """A COCOeval that ran, its pictures numbered as `paths` and its categories as `truth.labels`, both from 1.

    Predictions of other pictures and labels take no part. A prediction's area is its box's, an object's as it is given.
    """
    from pycocotools import coco, cocoeval

    for module in (coco, cocoeval):  # stdout is for results, and belongs to all threads: only their own print is muted
        vars(module)["print"] = _say_nothing
    labels = {label: number for number, label in enumerate(truth.labels, 1)}
    pictures = {path: number for number, path in enumerate(paths, 1)}
    run = cocoeval.COCOeval(
        _index(truth.boxes, pictures, labels, predicted=False),
        _index(predictions.boxes, pictures, labels, predicted=True),
        "bbox",
    )
    run.params.imgIds, run.params.catIds = list(pictures.values()), list(labels.values())
    run.params.areaRng, run.params.areaRngLbl = [list(AREAS[area]) for area in areas], list(areas)
    run.evaluate()
    if accumulate:
        run.accumulate()
    return run


def _index(boxes: pd.DataFrame, pictures: dict[str, int], labels: dict[str, int], *, predicted: bool) -> Any:
    from pycocotools.coco import COCO

    index = COCO()
    boxes = boxes[boxes["path"].isin(pictures) & boxes["label"].isin(labels)]
    columns = ("path", "label", "x", "y", "width", "height", "area", "crowd", "score")
    index.dataset = {
        "images": [{"id": number} for number in pictures.values()],
        "categories": [{"id": number} for number in labels.values()],
        "annotations": [
            {
                "id": at,  # from 1: a match with 0 counts as none
                "image_id": pictures[path],
                "category_id": labels[label],
                "bbox": [x, y, width, height],
                "area": width * height if predicted else area,
                "iscrowd": 0 if predicted else int(crowd),
                "score": score,
            }
            for at, (path, label, x, y, width, height, area, crowd, score) in enumerate(
                zip(*(boxes[column].tolist() for column in columns), strict=True), 1
            )
        ],
    }
    index.createIndex()
    return index


def _say_nothing(*_: Any) -> None:
    pass
