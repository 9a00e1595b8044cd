"""A project of VIA 3: files, views of one file each, and metadata that say what is where in a view."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._rows import Rows, number

_IMAGE = 2  # a file's type; others are videos and sounds
_RECTANGLE, _CIRCLE, _ELLIPSE, _LINE, _POLYLINE, _POLYGON, _EXTREME_RECTANGLE, _EXTREME_CIRCLE = range(2, 10)
_NO_SHAPE = "it is no rectangle, polygon, circle or ellipse; left out"
_SINGLE_CHOICE, _CHECK_BOXES = (
    (3, 4, 5),
    2,
)  # kinds of attributes: a value is an option's number, or several with commas
LABELS = ("label", "class", "name", "type", "category", "object")


def is_third(parts: Mapping[str, Any]) -> bool:
    return isinstance(parts.get("project"), dict) and all(isinstance(parts.get(k), dict) for k in ("file", "metadata"))


def read_third(source: Path, parts: Mapping[str, Any], pictures: Path | None) -> Annotations:
    told = parts.get("view")
    views = told if isinstance(told, dict) else {}
    files = {str(key): one for key, one in parts["file"].items() if isinstance(one, dict)}
    names = {key: str(one.get("fname") or one.get("src") or "") for key, one in files.items()}
    rows = Rows(pictures, names.values(), source=source)
    attributes = parts.get("attribute")
    kinds = attributes if isinstance(attributes, dict) else {}
    for key, one in files.items():
        if number(one.get("type", _IMAGE)) == _IMAGE:
            rows.picture(names[key])
        else:
            rows.faults.append((names[key], "it is a video or a sound and no picture; left out"))
    for key, entry in parts["metadata"].items():
        _add(rows, str(key), entry, views, files, names, kinds)
    return rows.finish()


def _add(
    rows: Rows,
    place: str,
    entry: Any,
    views: Mapping[str, Any],
    files: Mapping[str, Any],
    names: Mapping[str, str],
    kinds: Mapping[str, Any],
) -> None:
    view = views.get(str(entry.get("vid"))) if isinstance(entry, dict) else None
    of_view = [str(one) for one in view.get("fid_list", [])] if isinstance(view, dict) else []
    if len(of_view) != 1 or of_view[0] not in files:
        rows.skip(place, "its view does not show one picture alone, so it could belong to several; left out")
        return
    if number(files[of_view[0]].get("type", _IMAGE)) != _IMAGE or entry.get("z"):
        rows.skip(place, "it belongs to a moment of a video; left out")
        return
    path = rows.picture(names[of_view[0]])
    points = [number(value) for value in entry.get("xy") or []]
    if not points and entry.get("av"):
        return  # what is said of a whole picture
    around = _around(points)
    if not path or around is None:
        rows.skip(f"{path or names[of_view[0]]}, {place}", _NO_SHAPE if path else "left out with its picture")
        return
    values = {_name(kinds, key): _value(kinds.get(str(key)), value) for key, value in (entry.get("av") or {}).items()}
    usual = [name for label in LABELS for name in values if name.lower() == label] or list(values)
    label = values.pop(usual[0]) if usual else ""
    corner, size, mask = around
    rows.box(path, label, corner, size, mask=mask, attributes=values)


def _around(points: list[float]) -> tuple[tuple[float, float], tuple[float, float], str] | None:
    """Corner, sides and mask; None for what is no closed shape. The first number says which shape it is."""
    if not points:
        return None
    shape, numbers = points[0], points[1:]
    if shape == _RECTANGLE and len(numbers) == 4:
        return (numbers[0], numbers[1]), (numbers[2], numbers[3]), ""
    if shape in (_CIRCLE, _ELLIPSE) and len(numbers) == (3 if shape == _CIRCLE else 4):
        x, y, across, down = numbers[0], numbers[1], numbers[2], numbers[-1]
        return (x - across, y - down), (2 * across, 2 * down), ""
    if shape not in (_POLYLINE, _POLYGON, _EXTREME_RECTANGLE) or len(numbers) < 6 or len(numbers) % 2:
        return None
    left, top = min(numbers[::2]), min(numbers[1::2])
    is_mask = shape != _EXTREME_RECTANGLE and all(map(math.isfinite, numbers))
    size = (max(numbers[::2]) - left, max(numbers[1::2]) - top)
    return (left, top), size, json.dumps([numbers]) if is_mask else ""


def _name(kinds: Mapping[str, Any], key: Any) -> str:
    kind = kinds.get(str(key))
    return str(kind.get("aname", key)) if isinstance(kind, dict) else str(key)


def _value(kind: Any, value: Any) -> str:
    """An option's name where the attribute has options."""
    options = kind.get("options") if isinstance(kind, dict) else None
    if not isinstance(options, dict) or not options:
        return str(value).strip()
    chosen = str(value).split(",") if number(kind.get("type")) == _CHECK_BOXES else [str(value)]
    return "+".join(sorted(str(options.get(one.strip(), one)).strip() for one in chosen if one.strip()))
