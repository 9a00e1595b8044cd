"""What is where in pictures: boxes drawn by people (ground truth) or found by a detector (predictions), from any format.

A format is a file of pipeline/annotations/formats/; what was wrong in a file is told in `faults`, nothing is lost silently.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

PICTURE = {"path": str, "width": int, "height": int}
BOX = {"path": str, "label": str, "x": float, "y": float, "width": float, "height": float, "score": float}
BOX |= {"area": float, "crowd": bool, "mask": str, "attributes": str, "number": int}
_ABSENT = {"score": float("nan"), "crowd": False, "mask": "", "attributes": ""}
_FOLDER = Path(__file__).with_name("formats")


@dataclass(frozen=True)
class Annotations:
    """Boxes of many pictures.

    pictures: path (POSIX, relative to the pictures' folder, each once), width, height (0 = unknown).
    boxes: path, label, x, y, width, height (px, x, y the top left), score (nan in ground truth), area (px², of the mask
    where there is one), crowd (a group: neither found nor missed), mask (COCO's segmentation as JSON, '' = none),
    attributes (a JSON object, '' = none), number (its place in the file, unique).
    faults: (place, what was wrong and what was done).
    """

    pictures: pd.DataFrame
    boxes: pd.DataFrame
    faults: list[tuple[str, str]] = field(default_factory=list)

    @property
    def predicted(self) -> bool:
        """Whether these are predictions: their boxes have scores."""
        return bool(self.boxes["score"].notna().any())

    @property
    def labels(self) -> list[str]:
        return sorted(self.boxes["label"].unique())

    def only(self, paths: Iterable[str]) -> Annotations:
        """Those of these pictures."""
        wanted = set(paths)
        pictures = self.pictures[self.pictures["path"].isin(wanted)].reset_index(drop=True)
        boxes = self.boxes[self.boxes["path"].isin(wanted)].reset_index(drop=True)
        return Annotations(pictures, boxes, self.faults)

    def by_picture(self) -> Iterator[tuple[Any, pd.DataFrame]]:
        """(row of pictures, its boxes), in the pictures' order; a picture without boxes has none."""
        boxes, none = dict(list(self.boxes.groupby("path", sort=False))), self.boxes.iloc[:0]
        for picture in self.pictures.itertuples():
            yield picture, boxes.get(picture.path, none)

    def attribute(self, name: str) -> pd.Series:
        """The boxes' attribute of this name as text, '' where they have none."""
        import json

        import pandas as pd

        values = [str(json.loads(text).get(name, "")) if text else "" for text in self.boxes["attributes"]]
        return pd.Series(values, index=self.boxes.index, dtype=object)


def of(pictures: Any, boxes: Any, faults: Iterable[tuple[str, str]] = ()) -> Annotations:
    """From anything pandas makes a table of; what is not given is filled: area from the box, number in order."""
    import numpy as np
    import pandas as pd

    picture_table, box_table = pd.DataFrame(pictures), pd.DataFrame(boxes)
    for name in ("width", "height"):
        if name not in picture_table:
            picture_table[name] = 0
    for name, value in _ABSENT.items():
        box_table[name] = box_table[name].fillna(value) if name in box_table else value
    if box_table.empty:
        box_table = box_table.reindex(columns=list(BOX))
    if "number" not in box_table:
        box_table["number"] = np.arange(len(box_table))
    sides = box_table["width"] * box_table["height"]
    box_table["area"] = box_table["area"].fillna(sides) if "area" in box_table else sides
    if picture_table.empty:
        picture_table = picture_table.reindex(columns=list(PICTURE))
    return Annotations(_typed(picture_table, PICTURE), _typed(box_table, BOX), list(faults))


def formats() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.py") if not path.stem.startswith("_"))


def read(source: Path, format: str = "auto", *, pictures: Path | None = None, truth: Path | None = None) -> Annotations:
    """A file, or the folder of a format that has a file a picture.

    pictures: the folder that paths are relative to; names are then looked up there and sizes compared with the files.
    truth: COCO's ground truth, whose numbers for pictures and labels a list of COCO results uses. Raises UsageError.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise UsageError(f"{source}: there is no such file or folder of annotations; check the spelling")
    if pictures is not None and not Path(pictures).is_dir():
        raise UsageError(f"{pictures}: there is no such folder of pictures; check the spelling")
    if source.suffix.lower() in (".zip", ".gz", ".tar", ".7z", ".rar"):
        raise UsageError(f"{source.name} is an archive; unpack it and give the file or folder of annotations in it")
    module = _module(_recognised(source) if format == "auto" else format)
    try:
        annotations: Annotations = module.read(source, pictures=Path(pictures) if pictures else None, truth=truth)
    except UnicodeDecodeError as error:
        raise UsageError(f"{source.name} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or source}: {error.strerror or error}") from error
    return annotations


def write(annotations: Annotations, target: Path, format: str = "coco") -> list[str]:
    """To a file, or into the folder of a format that has a file a picture; what the format cannot hold is told."""
    losses: list[str] = _module(format).write(annotations, Path(target))
    return losses


def fault_counts(annotations: Annotations) -> list[tuple[str, int, str]]:
    """(what was wrong, how often, the first place), most frequent first."""
    first: dict[str, str] = {}
    for place, text in annotations.faults:
        first.setdefault(text, place)
    counts = Counter(text for _, text in annotations.faults)
    return [(text, count, first[text]) for text, count in counts.most_common()]


def fault_notes(annotations: Annotations) -> list[str]:
    """A sentence for each kind of fault, most frequent first."""
    return [f"{count:,} × {text} (first: {place})" for text, count, place in fault_counts(annotations)]


def check(truth: Annotations, predictions: Annotations) -> list[str]:
    """One sentence for each reason why predictions may not fit their ground truth; none: they fit."""
    sentences = []
    if truth.predicted:
        sentences.append(
            "the ground truth's boxes have scores: are these predictions, given in the place of the truth?"
        )
    if truth.boxes.empty:
        sentences.append("the ground truth has no boxes, so nothing can be found or missed")
    if predictions.boxes.empty:
        sentences.append("there are no predictions, so every object counts as missed")
    elif not predictions.predicted:
        sentences.append("the predictions have no scores: is this ground truth, given in the place of predictions?")
    paths, labels = set(truth.pictures["path"]), set(truth.labels)
    elsewhere = predictions.boxes[~predictions.boxes["path"].isin(paths)]
    if len(elsewhere):
        pictures = elsewhere["path"].unique()
        sentences.append(
            f"{len(elsewhere):,} predictions are for {len(pictures):,} pictures without ground truth "
            f"(first: {pictures[0]}); they are left out"
        )
    without = sorted(paths - set(predictions.boxes["path"]))
    if without and not predictions.boxes.empty:
        sentences.append(f"{len(without):,} of {len(paths):,} pictures have no prediction (first: {without[0]})")
    unknown = [label for label in predictions.labels if label not in labels]
    if unknown and labels:
        first_labels = ", ".join(unknown[:5]) + ("…" if len(unknown) > 5 else "")
        sentences.append(
            f"the predictions' labels {first_labels} are not in the ground truth; each such box is a false positive. "
            "Are labels spelt alike, in the same case?"
        )
    return sentences


def _typed(table: pd.DataFrame, columns: dict[str, type]) -> pd.DataFrame:
    kinds = {name: object if kind is str else kind for name, kind in columns.items()}
    return table[list(columns)].astype(kinds).reset_index(drop=True)


def _recognised(source: Path) -> str:
    names = [name for name in formats() if _module(name).matches(source)]
    if len(names) == 1:
        return names[0]
    fault = f"could be {' or '.join(names)}" if names else "is in no format known by its look"
    raise UsageError(f"{source} {fault}; say which: --format {' or '.join(names or formats())}")


def _module(name: str) -> ModuleType:
    if name not in formats():
        raise UsageError(
            f"unknown annotation format {name!r}; choose from {', '.join(formats())}, "
            f"or add pipeline/annotations/formats/{name}.py"
        )
    return importlib.import_module(f"pipeline.annotations.formats.{name}")
