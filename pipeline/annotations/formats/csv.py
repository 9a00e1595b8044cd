"""A table with a row a box: path, label, x, y, width, height, or corners xmin, ymin, xmax, ymax; score when predicted.

Columns are known by their names. A row with a path alone is a picture without boxes.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._rows import Rows, losses, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing

_NAMES = {
    "path": ("path", "filename", "file_name", "file", "image", "image_path", "picture"),
    "label": ("label", "class", "name", "category", "class_name"),
    "left": ("xmin", "x_min", "x1", "left"),
    "top": ("ymin", "y_min", "y1", "top"),
    "right": ("xmax", "x_max", "x2", "right"),
    "bottom": ("ymax", "y_max", "y2", "bottom"),
    "x": ("x",),
    "y": ("y",),
    "width": ("width", "w"),
    "height": ("height", "h"),
    "score": ("score", "confidence", "conf", "probability"),
    "area": ("area",),
    "crowd": ("crowd", "iscrowd"),
    "picture_width": ("picture_width", "image_width", "img_width"),
    "picture_height": ("picture_height", "image_height", "img_height"),
}
_CORNERS, _SIDES = ("left", "top", "right", "bottom"), ("x", "y", "width", "height")
_WRITTEN = ("path", "label", *_SIDES, "score", "area", "crowd", "picture_width", "picture_height")


def matches(source: Path) -> bool:
    return source.suffix.lower() in (".csv", ".tsv")


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """Beside corners, `width` and `height` are the picture's; corners count from 0, the last excluded."""
    rows = Rows(pictures)
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            separator = max(",;\t", key=first.count)
            file.seek(0)
            table = csv.reader(file, delimiter=separator)
            header = next(table, [])
            at, corners = _columns(source, header)
            for line, cells in enumerate(table, 2):
                if cells:
                    _add(rows, f"line {line}", cells, at, corners)
    except csv.Error as error:
        raise UsageError(f"{source.name} cannot be read as a table ({error}); save it as CSV UTF-8") from error
    return rows.finish()


def write(annotations: Annotations, target: Path) -> list[str]:
    """Columns path, label, x, y, width, height, score, area, crowd and the picture's size."""
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_WRITTEN)
        for picture, boxes in annotations.by_picture():
            size = (picture.width, picture.height)
            if boxes.empty:
                table.writerow([picture.path, *[""] * 8, *size])
            for box in boxes.itertuples():
                score = "" if math.isnan(box.score) else box.score
                sides = (box.x, box.y, box.width, box.height)
                table.writerow([picture.path, box.label, *sides, score, box.area, int(box.crowd), *size])
    return losses("CSV", annotations, "mask", "attributes")


def _columns(source: Path, header: list[str]) -> tuple[dict[str, int], bool]:
    """Where each thing stands, and whether boxes are given by corners."""
    plain = [name.strip().lower() for name in header]
    at = {
        what: next(plain.index(name) for name in names if name in plain)
        for what, names in _NAMES.items()
        if any(name in plain for name in names)
    }
    corners = all(what in at for what in _CORNERS)
    lacking = [what for what in ("path", "label", *(() if corners else _SIDES)) if what not in at]
    if lacking:
        raise UsageError(
            f"{source.name} has no column {', '.join(lacking)}; its first line is {', '.join(header)[:200] or 'empty'}; "
            "name the columns path, label, x, y, width, height or path, label, xmin, ymin, xmax, ymax"
        )
    if corners and "width" in at and "height" in at:  # TensorFlow's way
        at.setdefault("picture_width", at["width"])
        at.setdefault("picture_height", at["height"])
    return at, corners


def _add(rows: Rows, place: str, cells: list[str], at: dict[str, int], corners: bool) -> None:
    def cell(what: str) -> str:
        return cells[at[what]].strip() if what in at and at[what] < len(cells) else ""

    path = rows.picture(cell("path"), cell("picture_width"), cell("picture_height"))
    given = [cell(what) for what in (_CORNERS if corners else _SIDES)]
    if not any(given) and not cell("label"):
        return  # a picture without boxes
    if not path:
        rows.skip(place, "its picture is left out, and it with it")
        return
    a, b, c, d = map(number, given)
    size = (c - a, d - b) if corners else (c, d)
    score, crowd = number(cell("score")), cell("crowd").lower() in ("1", "true")
    rows.box(path, cell("label"), (a, b), size, score=score, area=number(cell("area")), crowd=crowd)
