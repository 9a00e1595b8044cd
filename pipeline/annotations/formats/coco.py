"""COCO's JSON: ground truth with images, categories and annotations, or a detector's list of results.

Results name pictures and labels by the numbers of their ground truth. Written predictions hold images and categories
themselves, so they need no other file.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._json_items import items
from pipeline.annotations.formats._rows import Rows, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing

_HEAD = re.compile(
    r'\s*(\[\s*(\]|\{[^{}]*"(image_id|category_id)")|\{\s*"(images|annotations|categories|info|licenses)")'
)


def matches(source: Path) -> bool:
    if source.suffix.lower() != ".json" or not source.is_file():
        return False
    with source.open(encoding="utf-8-sig", errors="replace") as file:
        return bool(_HEAD.match(file.read(20_000)))


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    names: dict[str, tuple[str, Any, Any]] = {}
    labels: dict[str, str] = {}
    rows, boxes, is_results = Rows(pictures), list[tuple[Any, ...]](), False
    for key, entry in items(source):
        is_results |= key == ""
        if key in ("", "annotations") and entry is not None:
            boxes.append(_taken(entry))
        elif isinstance(entry, dict):
            _learn(key, entry, names, labels)
    if is_results and truth is not None:
        for key, entry in items(truth):
            if isinstance(entry, dict):
                _learn(key, entry, names, labels)
    if not names and boxes:
        what = "a list of COCO results" if is_results else "COCO without its list of images"
        raise UsageError(
            f"{source.name} is {what}, which names pictures by number only; "
            "give the COCO ground truth that has the numbers as truth"
        )
    for name, width, height in names.values():
        rows.picture(name, width, height)
    boxes.reverse()  # taken from the end, so that each is freed as it goes over into columns
    while boxes:
        image, category, box, *more = boxes.pop()
        _add(rows, f"box {rows.number + 1}", names.get(image), category, labels, box, *more)
    return rows.finish()


def write(annotations: Annotations, target: Path) -> list[str]:
    """Everything is held."""
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        for piece in _pieces(annotations):
            file.write(piece)
    return []


def _learn(key: str, entry: dict[str, Any], names: dict[str, tuple[str, Any, Any]], labels: dict[str, str]) -> None:
    if key == "images":
        name = entry.get("file_name") or entry.get("path") or ""
        names[str(entry.get("id"))] = (str(name), entry.get("width"), entry.get("height"))
    elif key == "categories":
        labels[str(entry.get("id"))] = str(entry.get("name", entry.get("id")))


def _taken(entry: Any) -> tuple[Any, ...]:
    """What is kept of an annotation until all pictures and labels are known."""
    if not isinstance(entry, dict):
        return ("", "", None, math.nan, math.nan, False, "", {})
    mask = entry.get("segmentation")
    # compressed here: parsed polygons take ten times the memory of their text
    text = json.dumps(mask, separators=(",", ":")) if mask else ""
    score = number(entry["score"]) if "score" in entry else math.nan
    more = entry.get("attributes")
    image, category = (sys.intern(str(entry.get(key))) for key in ("image_id", "category_id"))
    return (
        *(image, category, entry.get("bbox"), score, number(entry.get("area")), bool(entry.get("iscrowd")), text),
        more if isinstance(more, dict) else {},
    )


def _add(
    rows: Rows,
    place: str,
    picture: tuple[str, Any, Any] | None,
    category: str,
    labels: dict[str, str],
    box: Any,
    score: float,
    area: float,
    crowd: bool,
    mask: str,
    attributes: dict[str, Any],
) -> None:
    if picture is None:
        rows.skip(place, "its picture is not among the file's images; left out")
        return
    path = rows.picture(*picture)
    if not path:
        rows.skip(place, "its picture is left out, and it with it")
        return
    if box is None and mask:
        box = _around(json.loads(mask))
    if not isinstance(box, list) or len(box) != 4:
        rows.skip(f"{path}, {place}", "it has no bbox of four numbers; left out")
        return
    if category not in labels:
        rows.faults.append(
            (f"{path}, {place}", "its label's number is not among the categories; the number is its label")
        )
    x, y, width, height = map(number, box)
    label = labels.get(category, category)
    rows.box(
        path, label, (x, y), (width, height), score=score, area=area, crowd=crowd, mask=mask, attributes=attributes
    )


def _around(mask: Any) -> list[float] | None:
    """The box of polygons; None for other masks, whose results always have one."""
    if not isinstance(mask, list) or not all(isinstance(ring, list) and len(ring) >= 6 for ring in mask):
        return None
    across = [number(value) for ring in mask for value in ring[::2]]
    down = [number(value) for ring in mask for value in ring[1::2]]
    return [min(across), min(down), max(across) - min(across), max(down) - min(down)]


def _pieces(annotations: Annotations) -> Iterator[str]:
    pictures, boxes = annotations.pictures, annotations.boxes
    images = {path: at for at, path in enumerate(pictures["path"], 1)}
    categories = {label: at for at, label in enumerate(annotations.labels, 1)}
    yield '{"images": ['
    for at, row in enumerate(pictures.itertuples(), 1):
        entry = {"id": at, "file_name": row.path, "width": row.width, "height": row.height}
        yield (",\n" if at > 1 else "\n") + json.dumps(entry, ensure_ascii=False)
    named = [{"id": at, "name": label} for label, at in categories.items()]
    yield f'],\n"categories": {json.dumps(named, ensure_ascii=False)},\n"annotations": ['
    for at, row in enumerate(boxes.itertuples(), 1):
        if row.path not in images:
            raise UsageError(f"{row.path} has a box and is not among the pictures; add it to pictures")
        entry = {"id": at, "image_id": images[row.path], "category_id": categories[row.label]}
        entry |= {"bbox": [_short(v) for v in (row.x, row.y, row.width, row.height)], "area": _short(row.area)}
        entry |= {"iscrowd": int(row.crowd), "segmentation": json.loads(row.mask) if row.mask else []}
        if not math.isnan(row.score):
            entry["score"] = row.score
        if row.attributes:
            entry["attributes"] = json.loads(row.attributes)
        yield (",\n" if at > 1 else "\n") + json.dumps(entry, ensure_ascii=False)
    yield "]}\n"


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else value
