"""Pascal VOC: a folder with an XML file a picture. Corners are whole pixels counted from 1, the last one included."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._rows import Rows, losses, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing

_FROM_ZERO = "a corner is at 0, which VOC does not have: all corners are read as counted from 0, the last one excluded"


def matches(source: Path) -> bool:
    if source.is_dir():
        return any(source.rglob("*.xml"))
    return source.suffix.lower() == ".xml"


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """difficult=1 is read as crowd: an object that counts neither as found nor as missed."""
    rows, objects = Rows(pictures), list[tuple[str, str, tuple[float, ...], bool, float]]()
    for file in sorted(source.rglob("*.xml")) if source.is_dir() else [source]:
        place = file.relative_to(source).as_posix() if file != source else file.name
        try:
            page = _parsed(file)
        except (ElementTree.ParseError, expat.ExpatError, ValueError) as error:
            rows.faults.append((place, f"this is not whole XML ({error}); the file is left out"))
            continue
        path = _picture(rows, page, place)
        for element in page.iter("object") if path else ():
            corners = tuple(number(element.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
            label, score = (element.findtext("name") or "").strip(), number(element.findtext("score"))
            objects.append((path, label, corners, element.findtext("difficult", "0").strip() == "1", score))
    first = 1
    if from_zero := [path for path, _, corners, _, _ in objects if 0 in corners[:2]]:
        first = 0
        rows.faults.append((from_zero[0], _FROM_ZERO))
    for path, label, (left, top, right, bottom), crowd, score in objects:
        across, down = (_ordered(left, right), _ordered(top, bottom))
        if right < left or bottom < top:
            rows.faults.append((f"{path}, box {rows.number + 1}", "the corners are swapped; swapped back"))
        corner = (across[0] - first, down[0] - first)
        rows.box(
            *(path, label, corner, (across[1] - across[0] + first, down[1] - down[0] + first)), crowd=crowd, score=score
        )
    return rows.finish()


def write(annotations: Annotations, target: Path) -> list[str]:
    """A file a picture, under the picture's own path; every picture gets one, with boxes or without."""
    written: dict[str, str] = {}
    for picture, boxes in annotations.by_picture():
        page = ElementTree.Element("annotation")
        _put(page, {"folder": PurePosixPath(picture.path).parent.as_posix(), "filename": picture.path})
        _put(ElementTree.SubElement(page, "size"), {"width": picture.width, "height": picture.height, "depth": 3})
        for box in boxes.itertuples():
            element = ElementTree.SubElement(page, "object")
            _put(element, {"name": box.label, "difficult": int(box.crowd)})
            if not math.isnan(box.score):
                _put(element, {"score": box.score})
            left, top = round(box.x), round(box.y)
            right, bottom = max(left + 1, round(box.x + box.width)), max(top + 1, round(box.y + box.height))
            _put(
                ElementTree.SubElement(element, "bndbox"),
                {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom},
            )
        name = PurePosixPath(picture.path).with_suffix(".xml").as_posix()
        if name in written:
            raise UsageError(
                f"{picture.path} and {written[name]} would share {name}; VOC has a file a picture: rename one"
            )
        written[name] = picture.path
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        ElementTree.indent(page)
        with replacing(target / name) as temporary:
            ElementTree.ElementTree(page).write(temporary, encoding="utf-8")
    return losses("VOC", annotations, "mask", "attributes", "fraction")


def _parsed(file: Path) -> ElementTree.Element:
    """ValueError for a document type: entities in it can name files and grow without end."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: Any) -> None:
        raise ValueError("it declares a document type, which annotations do not need")

    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(file.read_bytes(), True)
    page: ElementTree.Element = builder.close()
    return page


def _picture(rows: Rows, page: ElementTree.Element, place: str) -> str:
    """By the file name it holds, below the folder it lies in; the XML's own name where there is no better."""
    beside = PurePosixPath(place).parent
    file_name = (page.findtext("filename") or "").strip() or PurePosixPath(place).stem + ".jpg"
    name = file_name if "/" in file_name or "\\" in file_name else (beside / file_name).as_posix()
    stem = PurePosixPath(place).with_suffix("").as_posix()
    if rows.places.size(rows.places.find(name)) is None:
        name = rows.places.find_stem(stem) or name
    return rows.picture(name, page.findtext("size/width"), page.findtext("size/height"))


def _ordered(a: float, b: float) -> tuple[float, float]:
    return (b, a) if b < a else (a, b)


def _put(parent: ElementTree.Element, texts: dict[str, Any]) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(parent, name).text = str(text)
