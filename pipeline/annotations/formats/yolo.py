"""YOLO: a text file a picture, a line a box: class, centre and size as shares of the picture, a score when predicted.

A line of more numbers is a polygon. Names of classes lie in classes.txt or data.yaml. A share needs the picture's size,
so the pictures must be there to read: under `pictures`, or beside the texts, or in `images` where they are in `labels`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath

from pipeline.annotations.annotations import Annotations
from pipeline.annotations.formats._rows import Rows, losses, number
from pipeline.errors import UsageError
from pipeline.files.atomic import replacing

_LISTS = ("classes.txt", "obj.names")
_YAMLS = ("data.yaml", "data.yml", "dataset.yaml")
_NOT_BOXES = {*_LISTS, "notes.txt", "readme.txt", "train.txt", "val.txt", "test.txt", "requirements.txt"}


def matches(source: Path) -> bool:
    if source.is_dir():
        return any(source.rglob("*.txt")) and not any(source.rglob("*.xml"))
    return source.suffix.lower() in (".yaml", ".yml")


def read(source: Path, *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """source: the folder of texts, or data.yaml in the folder above."""
    folder = source if source.is_dir() else source.parent
    labels = _labels(folder) if source.is_dir() else _from_yaml(source)
    texts = folder / "labels" if (folder / "labels").is_dir() else folder
    rows = Rows(pictures or _beside(texts))
    for file in sorted(texts.rglob("*.txt")):
        if file.name.lower() in _NOT_BOXES:
            continue
        place = file.relative_to(texts).as_posix()
        lines = [line.split() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        path = rows.places.find_stem(PurePosixPath(place).with_suffix("").as_posix())
        size = rows.size(rows.picture(path)) if path else (0, 0)
        for at, words in enumerate(lines, 1):
            if 0 in size:
                rows.skip(f"{place}, line {at}", "no picture of this name was found, so its size is unknown; left out")
            else:
                _add(rows, f"{place}, line {at}", path, size, labels, words)
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


def _add(rows: Rows, place: str, path: str, size: tuple[int, int], labels: dict[int, str], words: list[str]) -> None:
    values = [number(word) for word in words]
    if len(values) < 5 or not math.isfinite(values[0]) or values[0] < 0 or values[0] != int(values[0]):
        rows.skip(place, "it is no line of class, centre and size; left out")
        return
    at = int(values[0])
    if at not in labels:
        rows.faults.append((place, "its class is not in the list of names; the number is its label"))
    label, shares = labels.get(at, str(at)), values[1:]
    if len(shares) <= 5:
        width, height = shares[2] * size[0], shares[3] * size[1]
        corner = (shares[0] * size[0] - width / 2, shares[1] * size[1] - height / 2)
        rows.box(path, label, corner, (width, height), score=shares[4] if len(shares) == 5 else math.nan)
        return
    points = shares[: len(shares) // 2 * 2]
    across, down = [x * size[0] for x in points[::2]], [y * size[1] for y in points[1::2]]
    ring = [value for point in zip(across, down, strict=True) for value in point]
    corner = (min(across), min(down))
    score = shares[-1] if len(shares) % 2 else math.nan
    mask = json.dumps([ring]) if all(map(math.isfinite, ring)) else ""
    rows.box(path, label, corner, (max(across) - corner[0], max(down) - corner[1]), score=score, mask=mask)


def _labels(folder: Path) -> dict[int, str]:
    """From the folder or the two above it."""
    for near in (folder, *folder.absolute().parents[:2]):
        for name in _LISTS:
            if (near / name).is_file():
                lines = (near / name).read_text(encoding="utf-8-sig").splitlines()
                return {at: line.strip() for at, line in enumerate(lines) if line.strip()}
        for name in _YAMLS:
            if (near / name).is_file():
                return _from_yaml(near / name)
    return {}


def _from_yaml(file: Path) -> dict[int, str]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        raise UsageError(
            f"{file.name} cannot be read as YAML ({' '.join(str(error).split())}); save it again"
        ) from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        return {at: str(name) for at, name in enumerate(names)}
    if isinstance(names, dict) and all(isinstance(key, int) for key in names):
        return {key: str(name) for key, name in names.items()}
    raise UsageError(f"{file.name} has no list of names; write names: [first, second, …] in the order of the classes")


def _beside(texts: Path) -> Path:
    parts = texts.absolute().parts
    if "labels" in parts:
        last = len(parts) - 1 - parts[::-1].index("labels")
        images = Path(*parts[:last], "images", *parts[last + 1 :])
        if images.is_dir():
            return images
    return texts


def _save(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
