"""A table with a row a box: path, label, x, y, width, height, or corners xmin, ymin, xmax, ymax; score when predicted.

Columns are known by their names. A row with a path alone is a picture without boxes.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._places import Places
from pipeline.annotations.formats._rows import Rows, losses, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing
from pipeline.files.tables import plain_name, read_sheet

_NAMES = {
    "path": ("path", "filename", "file_name", "file", "image", "image_path", "image_name", "img_path", "picture"),
    "label": ("label", "class", "name", "category", "class_name", "label_name"),
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
    names = {name for choices in _NAMES.values() for name in choices}
    sheet = read_sheet(source, known=lambda name: _plain(name) in names, exists=_counter(pictures))
    at, corners = _columns(source, sheet.header)
    comma = sheet.separator == ";" and not any("." in cell for _, cells in sheet.rows for cell in _numbers(cells, at))
    rows = Rows(pictures, {_cell(cells, at, "path") for _, cells in sheet.rows}, source=source)
    for line, cells in sheet.rows:
        _add(rows, f"line {line}", cells, at, corners=corners, comma=comma)
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
    """Where each thing stands, and whether boxes are given by corners. Two columns for one thing are an error."""
    plain = [_plain(name) for name in header]
    at = {}
    for what, names in _NAMES.items():
        columns = [name for name in dict.fromkeys(plain) if name in names]
        if len(columns) > 1 and columns[0] != names[0] and names[0] not in columns:
            raise _two(source, what, columns)
        if columns:
            at[what] = plain.index(names[0] if names[0] in columns else columns[0])
            if plain.count(plain[at[what]]) > 1:
                raise _two(source, what, [plain[at[what]]] * 2)
    corners = all(what in at for what in _CORNERS)
    if not corners and "left" in at and "top" in at:  # left, top, width, height
        at.setdefault("x", at["left"])
        at.setdefault("y", at["top"])
    lacking = [what for what in ("path", "label", *(() if corners else _SIDES)) if what not in at]
    if lacking:
        known = "; VIA's own table: export it from there as JSON" if "region_shape_attributes" in plain else ""
        raise UsageError(
            f"{source.name} has no column {', '.join(lacking)}; its first line is {', '.join(header)[:200] or 'empty'}; "
            f"name the columns path, label, x, y, width, height or path, label, xmin, ymin, xmax, ymax{known}"
        )
    if corners and not ("x" in at and "y" in at) and "width" in at and "height" in at:  # TensorFlow's way
        at.setdefault("picture_width", at["width"])
        at.setdefault("picture_height", at["height"])
    return at, corners


def _two(source: Path, what: str, columns: list[str]) -> UsageError:
    return UsageError(
        f"{source.name}: both {' and '.join(columns)} could be the {what}; rename one of them, and the right one {what}"
    )


def _plain(column: str) -> str:
    return plain_name(column).replace(" ", "_").replace("-", "_")


def _cell(cells: list[str], at: dict[str, int], what: str) -> str:
    return cells[at[what]].strip() if what in at and at[what] < len(cells) else ""


def _numbers(cells: list[str], at: dict[str, int]) -> list[str]:
    return [_cell(cells, at, what) for what in (*_CORNERS, *_SIDES, "score")]


def _counter(pictures: Path | None) -> Callable[[list[str], list[list[str]]], int]:
    """How many rows name a picture that is there, which tells encodings apart."""

    def count(header: list[str], rows: list[list[str]]) -> int:
        columns = [at for at, name in enumerate(header) if _plain(name) in _NAMES["path"]]
        names = {row[columns[0]].strip() for row in rows if columns and columns[0] < len(row)}
        meant = Places(pictures).meant(name for name in names if not name.isascii()) if pictures else {}
        return sum(not one.fault and bool(one.path) for one in meant.values())

    return count


def _add(rows: Rows, place: str, cells: list[str], at: dict[str, int], *, corners: bool, comma: bool) -> None:
    """comma: numbers are written with a decimal comma, as spreadsheets do beside semicolons."""
    path = rows.picture(*(_cell(cells, at, what) for what in ("path", "picture_width", "picture_height")))
    given = [_cell(cells, at, what) for what in (_CORNERS if corners else _SIDES)]
    if not any(given) and not _cell(cells, at, "label"):
        return  # a picture without boxes
    if not path:
        rows.skip(place, "its picture is left out, and it with it")
        return
    a, b, c, d = (number(text.replace(",", ".") if comma else text) for text in given)
    size = (c - a, d - b) if corners else (c, d)
    score = number(_cell(cells, at, "score").replace(",", ".") if comma else _cell(cells, at, "score"))
    crowd = _cell(cells, at, "crowd").lower() in ("1", "1.0", "true")
    area = number(_cell(cells, at, "area"))
    rows.box(path, _cell(cells, at, "label"), (a, b), size, score=score, area=area, crowd=crowd)
