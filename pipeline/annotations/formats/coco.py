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

from pipeline.annotations import masks
from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._json_items import items
from pipeline.annotations.formats._rows import Rows, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing
from pipeline.files.texts import head_of

_RESULTS = re.compile(r'\s*\[\s*(\]|\{.*"image_id")', re.DOTALL)
_TRUTH = re.compile(
    r'\s*\{(\s*"(images|annotations|categories|info|licenses)"|.*"(images|annotations)"\s*:\s*\[)', re.DOTALL
)
_WHOLE = re.compile(r"\d{1,15}\.0+")
_MAX_EXACT = 2**53  # a float above it may have been another number when it was written


def matches(source: Path) -> bool:
    if source.suffix.lower() != ".json" or not source.is_file():
        return False
    head = head_of(source, 20_000)
    return '"_via_' not in head and bool(_RESULTS.match(head) or _TRUTH.match(head))


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """Raises UsageError where one number names two pictures or two labels: their boxes could belong to either."""
    index, boxes, is_results = _Index(source.name), list[tuple[Any, ...]](), False
    for key, entry in items(source):
        is_results |= key == ""
        if key in ("", "annotations") and entry is not None:
            boxes.append(_taken(entry))
        elif isinstance(entry, dict):
            index.learn(key, entry)
    if is_results and truth is not None:
        if truth.suffix.lower() != ".json":
            raise UsageError(
                f"{source.name} is a list of COCO results, whose numbers only COCO's ground truth explains, and "
                f"{truth.name} is none; give the ground truth as COCO's JSON, or the predictions in another format"
            )
        index.source = truth.name
        for key, entry in items(truth):
            if isinstance(entry, dict):
                index.learn(key, entry)
    if not index.pictures and boxes:
        what = "a list of COCO results" if is_results else "COCO without its list of images"
        raise UsageError(
            f"{source.name} is {what}, which names pictures by number only; "
            "give the COCO ground truth that has the numbers as truth"
        )
    rows = Rows(
        pictures, [name for name, _, _ in index.pictures.values()], source=truth if is_results and truth else source
    )
    rows.faults += index.faults
    for name, width, height in index.pictures.values():
        rows.picture(name, width, height)
    boxes.reverse()  # taken from the end, so that each is freed as it goes over into columns
    while boxes:
        image, category, box, *more = boxes.pop()
        _add(rows, f"box {rows.number + 1}", index.pictures.get(image), category, index.labels, box, *more)
    return rows.finish()


def write(annotations: Annotations, target: Path) -> list[str]:
    """Everything is held."""
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        for piece in _pieces(annotations):
            file.write(piece)
    return []


class _Index:
    """What the numbers of a file mean: pictures (file name, width, height) and labels."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.pictures: dict[str, tuple[str, Any, Any]] = {}
        self.labels: dict[str, str] = {}
        self.faults: list[tuple[str, str]] = []
        self._by_name: dict[str, str] = {}

    def learn(self, key: str, entry: dict[str, Any]) -> None:
        number_of = _id(entry.get("id"))
        if key == "images":
            name = str(entry.get("file_name") or entry.get("path") or "")
            if not number_of:
                self.faults.append((name or "(no name)", "the picture has no id, so no box can name it; left out"))
                return
            known = self.pictures.get(number_of)
            if known and known[0] != name:
                raise self._twice("image", number_of, known[0], name)
            if self._by_name.setdefault(name, number_of) != number_of:
                self.faults.append(
                    (name, "the picture stands in the file under two ids; the boxes of both are its own")
                )
            self.pictures[number_of] = (name, entry.get("width"), entry.get("height"))
        elif key == "categories" and number_of:
            given = entry.get("name")
            label = str(given) if given is not None else number_of
            if self.labels.setdefault(number_of, label) != label:
                raise self._twice("category", number_of, self.labels[number_of], label)

    def _twice(self, what: str, number_of: str, first: str, second: str) -> UsageError:
        return UsageError(
            f"{self.source}: the {what} id {number_of} is given to {first!r} and to {second!r}, so its boxes could belong "
            "to either; give each its own id, and export the file again"
        )


def _id(value: Any) -> str:
    """An id as text; 1, 1.0 (as pandas writes a column with gaps) and "1" are one, '' is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_EXACT:
        return str(int(value))
    text = "" if value is None or isinstance(value, (bool, list, dict)) else sys.intern(str(value).strip())
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text


def _taken(entry: Any) -> tuple[Any, ...]:
    """What is kept of an annotation until all pictures and labels are known."""
    if not isinstance(entry, dict):
        return ("", "", None, math.nan, math.nan, False, "", {})
    mask = entry.get("segmentation")
    # compressed here: parsed polygons take ten times the memory of their text
    text = json.dumps(mask, separators=(",", ":")) if mask else ""
    score = number(entry["score"]) if "score" in entry else math.nan
    more = entry.get("attributes")
    image, category = (_id(entry.get(key)) for key in ("image_id", "category_id"))
    crowd = number(entry.get("iscrowd")) == 1 or entry.get("iscrowd") is True
    return (
        *(image, category, entry.get("bbox"), score, number(entry.get("area")), crowd, text),
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
    if not box and mask:
        box = _around(mask, rows.size(path))
    if not isinstance(box, list) or len(box) != 4:
        rows.skip(f"{path}, {place}", "it has no bbox of four numbers; left out")
        return
    if mask.startswith("{") and box and not _fits(mask, rows.size(path)):
        rows.faults.append((f"{path}, {place}", "its mask is of another size than its picture; only the box is kept"))
        mask = ""
    if category not in labels:
        rows.faults.append(
            (f"{path}, {place}", "its label's number is not among the categories; the number is its label")
        )
    x, y, width, height = map(number, box)
    label = labels.get(category, category)
    rows.box(
        path, label, (x, y), (width, height), score=score, area=area, crowd=crowd, mask=mask, attributes=attributes
    )


def _around(mask: str, size: tuple[int, int]) -> list[float] | None:
    """The box of polygons or of an RLE; None for a mask that is damaged or of another picture's size."""
    encoded = json.loads(mask)
    if isinstance(encoded, dict):
        if not _fits(mask, size):
            return None
        try:
            return masks.box_of(masks.decode(mask, width=int(encoded["size"][1]), height=int(encoded["size"][0])))
        except UsageError:
            return None
    if not isinstance(encoded, list) or not all(isinstance(ring, list) and len(ring) >= 6 for ring in encoded):
        return None
    across = [number(value) for ring in encoded for value in ring[::2]]
    down = [number(value) for ring in encoded for value in ring[1::2]]
    return [min(across), min(down), max(across) - min(across), max(down) - min(down)]


def _fits(mask: str, size: tuple[int, int]) -> bool:
    """Whether an RLE is of this size (width, height), where that is known."""
    try:
        height, width = (int(side) for side in json.loads(mask)["size"])
    except (KeyError, TypeError, ValueError):
        return False
    return 0 in size or size == (width, height)


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
