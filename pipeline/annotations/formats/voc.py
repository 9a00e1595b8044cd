"""Pascal VOC: a folder with an XML file a picture. Corners are whole pixels counted from 1, the last one included."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._places import MISSING, SEVERAL, Meant, Places, telling
from pipeline.annotations.formats._rows import SHARES, Rows, losses, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing
from pipeline.files.texts import head_of, parsed_xml, root_name

_FROM_ZERO = "a corner is at 0, which VOC does not have: all corners are read as counted from 0, the last one excluded"


_RENAMED = "the picture it names is not there; taken for the one that has the XML file's own name"
_EITHER = (
    "the picture it names and the one of the XML file's own name are both there; left out, say which by renaming one"
)
_SHARED = "another XML file holds the boxes of that picture; left out"


@dataclass
class _Page:
    """One XML file: its picture's name and size, and its objects (label, corners, crowd, score)."""

    place: str
    name: str
    stem: str
    folder: str
    size: tuple[str | None, str | None]
    objects: list[tuple[str, tuple[float, ...], bool, float]]


def matches(source: Path) -> bool:
    files = source.rglob("*.xml") if source.is_dir() else [source] if source.suffix.lower() == ".xml" else []
    return any(root_name(head_of(file, 4_096)) in ("annotation", "") for file in files)


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """difficult=1 is read as crowd: an object that counts neither as found nor as missed."""
    pages, faults = list[_Page](), list[tuple[str, str]]()
    for file in sorted(source.rglob("*.xml")) if source.is_dir() else [source]:
        place = file.relative_to(source).as_posix() if file != source else file.name
        try:
            pages.append(_page(parsed_xml(file), place))
        except ValueError as error:
            faults.append((place, f"this is not whole XML ({error}); the file is left out"))
    meant = _meant(pages, Places(pictures, source if source.is_dir() else source.parent), faults)
    rows = Rows(pictures, (), source=source, meant=meant)
    rows.faults += faults
    first = 1
    corners_of = [(page.place, corners) for page in pages for _, corners, _, _ in page.objects]
    if from_zero := [place for place, corners in corners_of if 0 in corners[:2] and not _are_shares(corners)]:
        first = 0
        rows.faults.append((from_zero[0], _FROM_ZERO))
    for page in pages:
        path = rows.picture(page.place, *page.size)
        for label, corners, crowd, score in page.objects if path else ():
            left, top, right, bottom = corners
            if _are_shares(corners):
                rows.skip(f"{path}, box {rows.number + 1}", f"{SHARES}; left out")
                continue
            across, down = (_ordered(left, right), _ordered(top, bottom))
            if right < left or bottom < top:
                rows.faults.append((f"{path}, box {rows.number + 1}", "the corners are swapped; swapped back"))
            corner = (across[0] - first, down[0] - first)
            size = (across[1] - across[0] + first, down[1] - down[0] + first)
            rows.box(path, label, corner, size, crowd=crowd, score=score)
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


def _page(page: ElementTree.Element, place: str) -> _Page:
    beside = PurePosixPath(place).parent
    file_name = (page.findtext("filename") or "").strip()
    folder = (page.findtext("folder") or "").strip().replace("\\", "/").rstrip("/").rpartition("/")[2]
    has_folder = "/" in file_name or "\\" in file_name
    objects = []
    for element in page.iter("object"):
        corners = tuple(number(element.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
        label, score = (element.findtext("name") or "").strip(), number(element.findtext("score"))
        objects.append((label, corners, number(element.findtext("difficult", "0")) == 1, score))
    return _Page(
        place,
        name=file_name if has_folder or not file_name else (beside / file_name).as_posix(),
        stem=PurePosixPath(place).with_suffix("").as_posix(),
        folder="" if has_folder or folder in (".", beside.name) else folder,
        size=(page.findtext("size/width"), page.findtext("size/height")),
        objects=objects,
    )


def _meant(pages: list[_Page], places: Places, faults: list[tuple[str, str]]) -> dict[str, Meant]:
    """Each XML file's picture: the one it names; where that is not there, the one of its own name."""
    named = places.meant(_full(page) for page in pages)
    if places.root is None:
        meant = {page.place: named[_full(page)] for page in pages}
        holders = dict[str, list[_Page]]()
        for page in pages:
            if path := meant[page.place].path:
                holders.setdefault(path, []).append(page)
        _alone(meant, holders)
        return meant
    folders = places.meant(
        f"{page.folder}/{PurePosixPath(page.name).name}" for page in pages if page.folder and page.name
    )
    own = places.meant((page.stem for page in pages), stems=True)
    meant, holders = {}, {}
    for page in pages:
        by_name, by_stem = named[_full(page)], own[page.stem]
        by_folder = folders.get(f"{page.folder}/{PurePosixPath(page.name).name}") if page.name else None
        if by_stem.path and not by_stem.fault and _contradicts(page, by_stem.path, places.root):
            by_stem = Meant("", fault=MISSING)
        if by_name.path and not by_name.fault and _contradicts(page, by_name.path, places.root):
            by_name = Meant(
                _full(page), f"{_full(page)} (folder {page.folder}; another folder's: {by_name.path})", MISSING
            )
        told = [one.path for one in (by_name, by_folder) if one and one.path and not one.fault]
        if len(set(told)) == 2:
            one = Meant("", f"{page.place}: {' or '.join(told)}", SEVERAL)
        elif told and by_stem.path not in ("", told[0]) and not by_stem.fault:
            one = Meant("", f"{page.place}: {told[0]} or {by_stem.path}", _EITHER)
        elif told or by_stem.fault or not by_stem.path:
            one = Meant(told[0]) if told else by_name
        else:
            one = Meant(by_stem.path)
            if page.name:
                faults.append((f"{page.place}: {PurePosixPath(page.name).name}, {by_stem.path}", _RENAMED))
        meant[page.place] = one
        if one.path and not one.fault:
            holders.setdefault(one.path, []).append(page)
    _alone(meant, holders)
    return meant


def _alone(meant: dict[str, Meant], holders: dict[str, list[_Page]]) -> None:
    """Leave out the XML files that share a picture, but for one that has the picture's own name."""
    for path, holding in holders.items():
        own = [page for page in holding if PurePosixPath(page.stem).name == PurePosixPath(path).stem]
        for page in holding if len(holding) > 1 else ():
            other = next(one.place for one in holding if one is not page)
            if len(own) != 1 or page is not own[0]:
                meant[page.place] = Meant("", f"{page.place}: {path}, as {other}", _SHARED)


def _contradicts(page: _Page, path: str, root: Path) -> bool:
    """Whether a picture found by its bare name lies in another folder than the XML file's `folder` says."""
    folders = telling(PurePosixPath(path).parts[:-1])
    return bool(page.folder and path != page.name and folders and telling([page.folder])) and page.folder not in (
        *folders,
        *root.absolute().parts,
    )


def _full(page: _Page) -> str:
    return page.name or page.stem + ".jpg"


def _are_shares(corners: tuple[float, ...]) -> bool:
    return all(0 <= side <= 1 for side in corners) and any(side % 1 for side in corners)


def _ordered(a: float, b: float) -> tuple[float, float]:
    return (b, a) if b < a else (a, b)


def _put(parent: ElementTree.Element, texts: dict[str, Any]) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(parent, name).text = str(text)
