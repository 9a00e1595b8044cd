"""CVAT's XML 1.1 ("CVAT for images"): one file, an element a picture, boxes, polygons, masks and ellipses in it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pipeline.annotations import masks
from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._rows import Rows, losses, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing
from pipeline.files.texts import head_of, parsed_xml, root_name

_OURS = ("score", "crowd")
_SHAPES = ("box", "polygon", "mask", "ellipse", "polyline", "points", "cuboid", "skeleton", "tag")


def matches(source: Path) -> bool:
    return source.is_file() and source.suffix.lower() == ".xml" and root_name(head_of(source, 4_096)) == "annotations"


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """A rectangle that was turned becomes the upright one around it, and its corners the mask."""
    if source.is_dir():
        raise UsageError(f"{source} is a folder; CVAT exports one file, annotations.xml: give that")
    try:
        page = parsed_xml(source)
    except ValueError as error:
        raise UsageError(f"{source.name} is not whole XML ({error}); export it again") from error
    if page.find("track") is not None:
        raise UsageError(
            f"{source.name} holds tracks of a video, whose frames have no names; export it as `CVAT for images 1.1`"
        )
    images = page.findall("image")
    rows = Rows(pictures, [_name(image) for image in images], source=source)
    for image in images:
        path = rows.picture(_name(image), image.get("width"), image.get("height"))
        for element in image:
            place = f"{path or _name(image)}, {element.tag} {rows.number + 1}"
            if element.tag not in _SHAPES or element.tag == "tag":
                continue  # what is said of a whole picture
            around = _around(element, rows.size(path)) if path else None
            if around is None:
                fault = "it is no box, polygon, mask or ellipse; left out" if path else "left out with its picture"
                rows.skip(place, fault)
                continue
            corner, sides, mask = around
            attributes = {one.get("name", ""): (one.text or "").strip() for one in element.findall("attribute")}
            score, crowd = number(attributes.pop("score", math.nan)), attributes.pop("crowd", "") == "1"
            label = element.get("label", "").strip()
            rows.box(path, label, corner, sides, score=score, crowd=crowd, mask=mask, attributes=attributes)
    return rows.finish()


def write(annotations: Annotations, target: Path) -> list[str]:
    """A score and a group become attributes; a mask of several polygons, or an RLE, keeps its box."""
    page = ElementTree.Element("annotations")
    ElementTree.SubElement(page, "version").text = "1.1"
    flat = []
    for at, (picture, boxes) in enumerate(annotations.by_picture()):
        size = {"width": str(picture.width), "height": str(picture.height)}
        image = ElementTree.SubElement(page, "image", {"id": str(at), "name": picture.path, **size})
        for box in boxes.itertuples():
            rings = json.loads(box.mask) if box.mask else []
            one_ring = isinstance(rings, list) and len(rings) == 1
            flat.append(bool(box.mask) and not one_ring)
            if one_ring:
                points = zip(rings[0][::2], rings[0][1::2], strict=True)
                shape = {"points": ";".join(f"{x:.12g},{y:.12g}" for x, y in points)}
            else:
                ends = {"xbr": box.x + box.width, "ybr": box.y + box.height}
                shape = {key: f"{value:.12g}" for key, value in ({"xtl": box.x, "ytl": box.y} | ends).items()}
            common = {"label": box.label, "source": "manual", "occluded": "0", **shape, "z_order": "0"}
            element = ElementTree.SubElement(image, "polygon" if one_ring else "box", common)
            attributes = {k: v if isinstance(v, str) else json.dumps(v) for k, v in _attributes(box).items()}
            for key, value in attributes.items():
                ElementTree.SubElement(element, "attribute", {"name": key}).text = value
    ElementTree.indent(page)
    with replacing(target) as temporary:
        ElementTree.ElementTree(page).write(temporary, encoding="utf-8", xml_declaration=True)
    return losses("CVAT", Annotations(annotations.pictures, annotations.boxes[flat]), "mask") if any(flat) else []


def _attributes(box: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = json.loads(box.attributes) if box.attributes else {}
    attributes |= {} if math.isnan(box.score) else {"score": repr(box.score)}
    return attributes | ({"crowd": "1"} if box.crowd else {})


def _name(image: ElementTree.Element) -> str:
    return image.get("name", "")


def _around(
    element: ElementTree.Element, size: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float], str] | None:
    """Corner, sides and mask of a shape; None for a point or a line."""
    get = lambda *keys: [number(element.get(key)) for key in keys]  # noqa: E731
    if element.tag == "box":
        left, top, right, bottom = get("xtl", "ytl", "xbr", "ybr")
        angle = number(element.get("rotation", "0"))
        if not angle:
            return (left, top), (right - left, bottom - top), ""
        return _of_ring(_turned(left, top, right, bottom, math.radians(angle)))
    if element.tag == "ellipse":
        x, y, rx, ry = get("cx", "cy", "rx", "ry")
        angle = math.radians(number(element.get("rotation", "0")))
        across = math.hypot(rx * math.cos(angle), ry * math.sin(angle))
        down = math.hypot(rx * math.sin(angle), ry * math.cos(angle))
        return (x - across, y - down), (2 * across, 2 * down), ""
    if element.tag == "mask":
        left, top, width, height = get("left", "top", "width", "height")
        return (left, top), (width, height), _mask(element.get("rle", ""), (left, top, width, height), size)
    if element.tag == "polygon":
        pairs = [one.split(",") for one in element.get("points", "").split(";")]
        if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
            return None
        return _of_ring([number(value) for pair in pairs for value in pair])
    return None


def _of_ring(ring: list[float]) -> tuple[tuple[float, float], tuple[float, float], str]:
    left, top = min(ring[::2]), min(ring[1::2])
    mask = json.dumps([ring]) if all(map(math.isfinite, ring)) else ""
    return (left, top), (max(ring[::2]) - left, max(ring[1::2]) - top), mask


def _turned(left: float, top: float, right: float, bottom: float, angle: float) -> list[float]:
    """The corners of a rectangle turned clockwise about its middle."""
    x, y = (left + right) / 2, (top + bottom) / 2
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    cos, sin = math.cos(angle), math.sin(angle)
    turned = [(x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos) for a, b in corners]
    return [value for corner in turned for value in corner]


def _mask(text: str, box: tuple[float, ...], size: tuple[int, int]) -> str:
    """CVAT's runs, along the rows of the box and beginning with what is outside, as COCO's RLE; '' when they do not fit."""
    import numpy as np

    runs = [number(run) for run in text.split(",")]
    left, top, width, height = (int(side) if math.isfinite(side) else -1 for side in box)
    whole = min(left, top) >= 0 and left + width <= size[0] and top + height <= size[1]
    if not whole or any(not math.isfinite(run) or run < 0 for run in runs) or sum(runs) != width * height:
        return ""
    pixels = np.zeros((size[1], size[0]), bool)
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, np.array(runs, int))
    pixels[top : top + height, left : left + width] = inside.reshape(height, width)
    return masks.encode(pixels)
