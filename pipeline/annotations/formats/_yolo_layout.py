"""Where a YOLO dataset keeps what: the layouts of Ultralytics, Roboflow, Label Studio and darknet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.files.texts import decoded

LISTS = ("classes.txt", "obj.names", "predefined_classes.txt")
_YAMLS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_NOT_BOXES = {*LISTS, "train.txt", "val.txt", "valid.txt", "test.txt", "trainval.txt"}
_BEGINNINGS = ("readme", "notes", "licen", "requirements", "classes", "labels.txt")
_SPLITS = ("train", "val", "valid", "test")


@dataclass
class Layout:
    """folders: where the texts lie. root: the folder that pictures are named from when none is given.

    labels: class number to name. keypoints: numbers that each line has beyond its box, 0 = none; None = there is no data.yaml to tell.
    """

    source: Path
    folders: list[Path]
    root: Path
    labels: dict[int, str]
    keypoints: int | None = None
    faults: list[tuple[str, str]] = field(default_factory=list)

    def texts(self) -> Iterator[tuple[Path, str]]:
        """Every label file once, and its path as people know it, below the source."""
        top = self.source if self.source.is_dir() else self.source.parent
        for folder in self.folders:
            for file in sorted(folder.rglob("*.txt")):
                if file.name.lower() not in _NOT_BOXES and not file.name.lower().startswith(_BEGINNINGS):
                    near = top if file.is_relative_to(top) else folder
                    yield file, file.relative_to(near).as_posix()


def layout_of(source: Path) -> Layout:
    """source: the folder of texts, one above it, or data.yaml."""
    if not source.is_dir():
        if source.suffix.lower() not in (".yaml", ".yml"):
            raise UsageError(f"{source.name} is neither data.yaml nor a folder of texts; give one of these")
        content = _content(source)
        folders = _told(source, content) or [_texts_below(source.parent)]
        layout = Layout(source, folders, _root(source.parent, folders), _names(source, content), _keypoints(content))
        count = content.get("nc")
        if count and str(count).strip() != str(len(layout.labels)):
            layout.faults.append(
                (source.name, f"nc says {count} classes and names has {len(layout.labels)}; names count")
            )
        return layout
    yaml = next((near / name for near in _near(source) for name in _YAMLS if (near / name).is_file()), None)
    listed = next((near / name for near in _near(source) for name in LISTS if (near / name).is_file()), None)
    content = _content(yaml) if yaml else {}
    labels = _listed(listed) if listed else {}
    if yaml and "names" in content:
        names = _names(yaml, content)
        if listed and (differing := sorted(at for at in names.keys() & labels.keys() if names[at] != labels[at])):
            at = differing[0]
            raise UsageError(
                f"{yaml.name} calls class {at} {names[at]!r} and {listed.name} calls it {labels[at]!r}; "
                "correct or remove the wrong one of the two files"
            )
        labels = names | labels
    folder = _texts_below(source)
    return Layout(source, [folder], _root(source, [folder]), labels, _keypoints(content))


def picture_folders(text: Path) -> list[Path]:
    """Where the picture of a label file may lie: `images` in the place of `labels`, or beside it."""
    parts = text.absolute().parent.parts
    places = [text.parent]
    if "labels" in parts:
        last = len(parts) - 1 - parts[::-1].index("labels")
        places.insert(0, Path(*parts[:last], "images", *parts[last + 1 :]))
    return places


def _near(folder: Path) -> tuple[Path, ...]:
    return folder, *folder.absolute().parents[:2]


def _texts_below(folder: Path) -> Path:
    return folder / "labels" if (folder / "labels").is_dir() else folder


def _root(top: Path, folders: list[Path]) -> Path:
    """`images` where all texts lie in the `labels` beside it; else the folder that holds everything."""
    if len(folders) == 1 and (images := picture_folders(folders[0] / "x")[0]).is_dir():
        return images
    return top


def _told(file: Path, content: dict[str, Any]) -> list[Path]:
    """Folders of texts that train, val and test of data.yaml lead to, as far as they are on this machine."""
    base = file.parent / str(content["path"]) if isinstance(content.get("path"), str) else file.parent
    bases = [base, file.parent] if base.is_dir() else [file.parent]
    folders: dict[Path, None] = {}
    for split in _SPLITS:
        entries = content.get(split)
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, str) or not entry.strip():
                continue
            ways = [entry, entry.removeprefix("../")]  # Roboflow writes ../train/images for the train beside the file
            images = next((one for near in bases for way in ways if (one := (near / way)).is_dir()), None)
            if images is not None:
                parts = images.resolve().parts
                at = len(parts) - 1 - parts[::-1].index("images") if "images" in parts else -1
                texts = Path(*parts[:at], "labels", *parts[at + 1 :]) if at >= 0 else Path(*parts)
                folders[texts if texts.is_dir() else Path(*parts)] = None
    if len(folders) > 1 or not folders:
        common = _common(list(folders))
        return [common] if common and common.name == "labels" else list(folders)
    return list(folders)


def _common(folders: list[Path]) -> Path | None:
    parents = {folder.parent for folder in folders}
    return parents.pop() if len(parents) == 1 else None


def _content(file: Path) -> dict[str, Any]:
    """All values as the text that they are written as: a class may be called no, 1.10 or null."""
    import yaml

    try:
        content = yaml.load(decoded(file.read_bytes()), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(
            f"{file.name} cannot be read as YAML ({' '.join(str(error).split())[:200]}); save it again"
        ) from error
    return content if isinstance(content, dict) else {}


def _names(file: Path, content: dict[str, Any]) -> dict[int, str]:
    names = content.get("names")
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return {at: name.strip() for at, name in enumerate(names)}
    if isinstance(names, dict) and names and all(isinstance(name, str) for name in names.values()):
        numbers = {key: int(key) for key in names if isinstance(key, str) and key.strip().isdecimal()}
        if len(numbers) == len(set(numbers.values())) == len(names):
            return {number: names[key].strip() for key, number in numbers.items()}
    raise UsageError(f"{file.name} has no list of names; write names: [first, second, …] in the order of the classes")


def _keypoints(content: dict[str, Any]) -> int | None:
    if not content:
        return None
    shape = content.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(one, str) and one.isdecimal() for one in shape):
        return int(shape[0]) * int(shape[1])
    return 0


def _listed(file: Path) -> dict[int, str]:
    lines = decoded(file.read_bytes()).splitlines()
    return {at: line.strip() for at, line in enumerate(lines) if line.strip()}
