"""VGG Image Annotator's JSON: a project or its exported annotations, version 1, 2 or 3; regions of any closed shape."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._json_items import items
from pipeline.annotations.formats._places import SEVERAL, Meant, Places
from pipeline.annotations.formats._rows import Rows, losses, number
from pipeline.annotations.formats._via_third import is_third, read_third
from pipeline.files.atomic import replacing
from pipeline.files.texts import head_of

_LABELS = ("label", "class", "name", "type", "category", "object")
_OURS = ("score", "crowd")
_NO_SUCH_SIZE = "the file has this name twice, and no single picture has these bytes; left out"
_VIA_3 = ("project", "config", "attribute", "file", "metadata", "view")


def matches(source: Path) -> bool:
    if source.suffix.lower() != ".json" or not source.is_file():
        return False
    head = head_of(source, 65_536)
    third = '"project"' in head and '"pid"' in head and "VIA" in head
    return head.lstrip().startswith("{") and (
        '"_via_' in head or third or ('"regions"' in head and '"filename"' in head)
    )


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    parts: dict[str, Any] = {}
    entries, faults = list[dict[str, Any]](), list[tuple[str, str]]()
    for key, value in items(source):
        if key in _VIA_3:
            parts[key] = value
        several = value.values() if key == "_via_img_metadata" and isinstance(value, dict) else [value]
        for entry in several if not key.startswith("_via_") or key == "_via_img_metadata" else ():
            if isinstance(entry, dict) and "filename" in entry:
                entries.append(entry)
            elif entry is not None:
                faults.append((key, "it is no picture with regions; left out"))
    if is_third(parts):
        return read_third(source, parts, pictures)
    rows = Rows(pictures, (), source=source, meant=_meant(entries, Places(pictures, source.parent)))
    rows.faults += faults
    for entry in entries:
        _picture(rows, entry)
    return rows.finish()


def write(annotations: Annotations, target: Path) -> list[str]:
    """What VIA 2 imports. A score, a group and attributes become attributes of the region, the size those of the file."""
    entries, flattened = {}, 0
    for picture, boxes in annotations.by_picture():
        regions = []
        for box in boxes.itertuples():
            ring = _one_ring(box.mask)
            flattened += bool(box.mask) and ring is None
            attributes = {"label": box.label, **(json.loads(box.attributes) if box.attributes else {})}
            if not math.isnan(box.score):
                attributes["score"] = str(box.score)
            if box.crowd:
                attributes["crowd"] = "1"
            shape: dict[str, Any] = {"name": "rect", "x": box.x, "y": box.y, "width": box.width, "height": box.height}
            if ring is not None:
                shape = {"name": "polygon", "all_points_x": ring[::2], "all_points_y": ring[1::2]}
            regions.append({"shape_attributes": shape, "region_attributes": attributes})
        size = {"width": str(picture.width), "height": str(picture.height)}
        entries[picture.path] = {"filename": picture.path, "size": -1, "regions": regions, "file_attributes": size}
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(entries, ensure_ascii=False, indent=1), encoding="utf-8")
    if not flattened:
        return []
    return losses(
        "VIA", Annotations(annotations.pictures, annotations.boxes[annotations.boxes["mask"].map(_is_flat)]), "mask"
    )


def _picture(rows: Rows, entry: dict[str, Any]) -> None:
    size = entry.get("file_attributes")
    size = size if isinstance(size, dict) else {}
    path = rows.picture(_key(entry), size.get("width"), size.get("height"))
    regions = entry.get("regions") or []
    for region in regions.values() if isinstance(regions, dict) else regions:
        place = f"{path or entry['filename']}, region {rows.number + 1}"
        shape = region.get("shape_attributes") if isinstance(region, dict) else None
        around = _around(shape) if isinstance(shape, dict) else None
        if not path or around is None:
            rows.skip(
                place,
                "it is no rectangle, polygon, circle or ellipse; left out" if path else "left out with its picture",
            )
            continue
        attributes = region.get("region_attributes")
        label, rest = _label(attributes if isinstance(attributes, dict) else {})
        score, crowd = number(rest.pop("score", math.nan)), rest.pop("crowd", "") == "1"
        corner, sides, mask = around
        rows.box(path, label, corner, sides, score=score, crowd=crowd, mask=mask, attributes=rest)


def _key(entry: dict[str, Any]) -> str:
    """VIA tells pictures apart by file name and size in bytes, because it does not know their folders."""
    return f"{entry['filename']}\0{entry.get('size')}"


def _meant(entries: list[dict[str, Any]], places: Places) -> dict[str, Meant]:
    names: dict[str, dict[str, int]] = {}
    for entry in entries:
        size = number(entry.get("size"))
        names.setdefault(str(entry["filename"]), {})[_key(entry)] = int(size) if size > 0 else 0
    meant: dict[str, Meant] = {}
    for name, one in places.meant(names).items():
        for key, size in names[name].items():
            by_size = places.of_file_size(name, size) if size and (len(names[name]) > 1 or one.fault == SEVERAL) else []
            if len(names[name]) == 1 and not by_size:
                meant[key] = one
            elif len(by_size) == 1:
                meant[key] = Meant(by_size[0])
            elif len(names[name]) > 1 and 0 not in names[name].values():
                shown = f"{name} ({size:,} bytes)"
                meant[key] = Meant("", f"{shown}: {' or '.join(by_size)}" if by_size else shown, _NO_SUCH_SIZE)
            else:
                meant[key] = one
    return meant


def _around(shape: dict[str, Any]) -> tuple[tuple[float, float], tuple[float, float], str] | None:
    """Corner, sides and mask of a region; None for a point or a line."""
    if shape.get("name") == "rect":
        x, y, width, height = (number(shape.get(key)) for key in ("x", "y", "width", "height"))
        return (x, y), (width, height), ""
    if shape.get("name") in ("circle", "ellipse"):
        x, y = number(shape.get("cx")), number(shape.get("cy"))
        across, down = number(shape.get("rx", shape.get("r"))), number(shape.get("ry", shape.get("r")))
        return (x - across, y - down), (2 * across, 2 * down), ""
    points = shape.get("all_points_x"), shape.get("all_points_y")
    if shape.get("name") not in ("polygon", "polyline") or not all(isinstance(one, list) for one in points):
        return None
    across_all, down_all = ([number(value) for value in one] for one in points if one is not None)
    if len(across_all) != len(down_all) or len(across_all) < 3:
        return None
    ring = [value for point in zip(across_all, down_all, strict=True) for value in point]
    left, top = min(across_all), min(down_all)
    mask = json.dumps([ring]) if all(map(math.isfinite, ring)) else ""
    return (left, top), (max(across_all) - left, max(down_all) - top), mask


def _label(attributes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The label, and the attributes that are left: by its usual names, else the first that is not ours."""
    plain = {str(key): value for key, value in attributes.items()}
    names = [key for usual in _LABELS for key in plain if key.lower() == usual] or [k for k in plain if k not in _OURS]
    if not names:
        return "", plain
    value = plain.pop(names[0])
    if isinstance(value, dict):  # check boxes: {"dog": true}
        value = "+".join(sorted(str(key) for key, ticked in value.items() if ticked))
    return str(value).strip(), plain


def _one_ring(mask: str) -> list[float] | None:
    """The only polygon of a mask, as x, y, x, y, …; None for several or for an RLE."""
    rings = json.loads(mask) if mask else None
    return rings[0] if isinstance(rings, list) and len(rings) == 1 else None


def _is_flat(mask: str) -> bool:
    return bool(mask) and _one_ring(mask) is None
