"""YOLO: a text file a picture, a line a box: class, centre and size as shares of the picture, a score when predicted.

A line of more numbers is a polygon; a box with keypoints where data.yaml has `kpt_shape`; a tracker's box, score and
number. What could be two of these is left out and said. A share needs the picture's size, so the pictures must be there
to read: under `pictures`, or where the usual layouts keep them (_yolo_layout.py).
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats import _yolo_lines as lines_of
from pipeline.annotations.formats._places import SEVERAL, Meant, Places
from pipeline.annotations.formats._rows import Rows, losses
from pipeline.annotations.formats._yolo_layout import Layout, layout_of, picture_folders
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing
from pipeline.files.picture_files import is_picture_name
from pipeline.files.texts import decoded

_UNKNOWN = "no picture of this name was found, so its size is unknown; left out"


def matches(source: Path) -> bool:
    if source.is_dir():
        return any(source.rglob("*.txt")) and not any(source.rglob("*.xml"))
    return source.suffix.lower() in (".yaml", ".yml")


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """source: the folder of texts, one above it, or data.yaml."""
    layout = layout_of(source)
    texts = {place: _words(file) for file, place in layout.texts()}
    meant = _meant(layout, Places(pictures or layout.root, source if source.is_dir() else source.parent))
    rows = Rows(pictures or layout.root, (), source=source, meant=meant, pixels=False)
    rows.faults += layout.faults
    kind = lines_of.kind_of([words for lines in texts.values() for _, words in lines], layout.keypoints)
    for place, lines in texts.items():
        one = meant[place]
        if one.fault == SEVERAL:
            rows.faults.append((one.place, SEVERAL))
        if not one.path and lines and not any(lines_of.is_line(words) for _, words in lines):
            rows.faults.append((place, "it is no label file: no line of it has numbers; passed over"))
            continue
        size = rows.size(rows.picture(place)) if one.path else (0, 0)
        for at, words in lines:
            if 0 in size:
                rows.skip(f"{place}, line {at}", _UNKNOWN)
            else:
                lines_of.add(rows, f"{place}, line {at}", one.path, size, layout.labels, words, kind)
    return rows.finish()


def write(annotations: Annotations, target: Path) -> list[str]:
    """A text a picture, under the picture's own path, and classes.txt. UsageError where a size is unknown."""
    classes = {label: at for at, label in enumerate(annotations.labels)}
    written = {"classes.txt": "the list of classes"}
    for picture, boxes in annotations.by_picture():
        name = PurePosixPath(picture.path).with_suffix(".txt").as_posix()
        if name in written:
            raise UsageError(
                f"{picture.path} and {written[name]} would share {name}; YOLO has a file a picture: rename one"
            )
        written[name] = picture.path
        if not (picture.width and picture.height) and len(boxes):
            raise UsageError(
                f"the size of {picture.path} is unknown, and YOLO writes shares of it; give the pictures' folder"
            )
        lines = []
        for box in boxes.itertuples():
            shares = (
                *((box.x + box.width / 2) / picture.width, (box.y + box.height / 2) / picture.height),
                *(box.width / picture.width, box.height / picture.height),
            )
            values = [*shares, box.score] if not math.isnan(box.score) else shares
            lines.append(" ".join([str(classes[box.label]), *(f"{value:.12g}" for value in values)]))
        _save(target / name, lines)
    _save(target / "classes.txt", list(classes))
    return losses("YOLO", annotations, "mask", "crowd", "attributes")


def _words(file: Path) -> list[tuple[int, list[str]]]:
    """Of each line that is not empty: its number and what stands in it."""
    lines = enumerate(decoded(file.read_bytes()).splitlines(), 1)
    return [(at, line.split()) for at, line in lines if line.strip()]


def _meant(layout: Layout, places: Places) -> dict[str, Meant]:
    """Each label file's picture: where its layout has it, else by its name and the folders it lies in."""
    meant: dict[str, Meant] = {}
    left: dict[str, str] = {}
    for file, place in layout.texts():
        own = [path for folder in picture_folders(file) if (path := _pictured(places, folder, file.stem))]
        flat = [one for paths in own for one in paths]
        if len(set(flat)) == 1:
            meant[place] = Meant(flat[0])
        elif flat:
            meant[place] = Meant("", f"{place}: {' or '.join(dict.fromkeys(flat))}", SEVERAL)
        else:
            left[place] = PurePosixPath(place).with_suffix("").as_posix()
    by_name = places.meant(left.values(), stems=True)
    taken = {one.path for one in meant.values() if one.path}
    for place, stem in left.items():
        one = by_name[stem]
        meant[place] = one if not one.fault and one.path not in taken else Meant("", one.place or place, one.fault)
    return meant


def _pictured(places: Places, folder: Path, stem: str) -> list[str]:
    """Pictures of this folder that have a label file's name, as paths below the root."""
    if not folder.is_dir():
        return []
    names = places.stems_in(folder).get(stem, [])
    return [path for name in names if is_picture_name(name) and (path := places.path_of(folder / name))]


def _save(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
