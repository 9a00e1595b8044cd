"""What a format's reader collects, line by line, and what its writer loses: nothing is mended or lost silently.

`finish` checks all boxes at once and says what it mended; `losses` says what a format cannot hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.annotations.annotations import BOX, Annotations, of
from pipeline.annotations.formats._places import MISSING, Meant, Places
from pipeline.schema import composed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SHARES = "its numbers are shares of the picture (0 to 1) where pixels are wanted; export it in pixels"
MAX_ROUNDING = 0.01  # px that a box may leave its picture by without a word: rounding
_OCCURS = {
    "mask": lambda boxes: boxes["mask"] != "",
    "crowd": lambda boxes: boxes["crowd"],
    "attributes": lambda boxes: boxes["attributes"] != "",
    "fraction": lambda boxes: (boxes[["x", "y", "width", "height"]] % 1 != 0).any(axis=1),
}
_SENTENCES = {
    "mask": "no such mask: only its box is kept",
    "crowd": "no groups: they are written as single objects",
    "attributes": "no attributes: they are left out",
    "fraction": "whole pixels only: sides are rounded",
}


class Rows:
    """names: every name that `picture` will be asked for: only together do they say which picture each one means.

    source: the file or folder they stand in. pixels: the file gives pixels, so boxes from 0 to 1 are a mistake.
    """

    def __init__(
        self,
        pictures: Path | None,
        names: Iterable[str],
        *,
        source: Path,
        meant: Mapping[str, Meant] | None = None,
        pixels: bool = True,
    ) -> None:
        self.places = Places(pictures, source if source.is_dir() else source.parent)
        self._meant = self.places.meant(names) if meant is None else meant
        self._pixels = pixels
        self.faults: list[tuple[str, str]] = []
        self.number = -1  # of the last box, counted also where one is left out
        self._sizes: dict[str, tuple[int, int]] = {}
        self._seen: set[str] = set()
        self._columns: dict[str, list[Any]] = {name: [] for name in BOX}

    def picture(self, name: str, width: Any = 0, height: Any = 0) -> str:
        """Add a picture; its path, or '' when it is left out. A size that is no number is unknown."""
        meant = self._meant[name]
        if name not in self._seen:
            self._seen.add(name)
            if meant.fault and (not meant.path or meant.fault != MISSING):
                self.faults.append((meant.place or "(no name)", meant.fault))
        path = meant.path
        if path and (path not in self._sizes or self._sizes[path] == (0, 0)):
            self._sizes[path] = self._size(path, (_whole(width), _whole(height)), meant)
        return path

    def size(self, path: str) -> tuple[int, int]:
        return self._sizes[path]

    def skip(self, place: str, fault: str) -> None:
        """A box that cannot be read."""
        self.number += 1
        self.faults.append((place, fault))

    def box(
        self,
        path: str,
        label: str,
        corner: tuple[float, float],
        size: tuple[float, float],
        *,
        score: float = math.nan,
        area: float = math.nan,
        crowd: bool = False,
        mask: str = "",
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self.number += 1
        more = json.dumps(attributes, ensure_ascii=False) if attributes else ""
        values = (path, composed(label), *corner, *size, score, area, crowd, mask, more, self.number)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def finish(self) -> Annotations:
        import pandas as pd

        pictures = [(path, width, height) for path, (width, height) in self._sizes.items()]
        picture_table = pd.DataFrame(pictures, columns=["path", "width", "height"])
        boxes = of(picture_table, self._columns).boxes
        self._columns.clear()
        if len(boxes):
            boxes = self._mended(boxes)
        return of(picture_table, boxes, self.faults)

    def _size(self, path: str, given: tuple[int, int], meant: Meant) -> tuple[int, int]:
        if self.places.root is None:
            return given
        actual = self.places.size(path)
        if actual is None:
            if not meant.fault or meant.fault == MISSING:
                self.faults.append((meant.place or path, MISSING))
            return given
        if 0 not in given and given != actual:
            fault = "the picture's size is not the one in the file; boxes are taken as they are"
            if given == actual[::-1]:
                fault = "width and height are swapped: was it annotated before it was turned upright? boxes as they are"
            self.faults.append((path, fault))
        return actual

    def _mended(self, boxes: pd.DataFrame) -> pd.DataFrame:
        import numpy as np

        sides = ["x", "y", "width", "height"]
        boxes = self._without(boxes, ~np.isfinite(boxes[sides]).all(axis=1), "a number is missing or not finite")
        self._add_faults(boxes[(boxes[["width", "height"]] < 0).any(axis=1)], "the corners are swapped; swapped back")
        for start, side in (("x", "width"), ("y", "height")):
            swapped = boxes[side] < 0
            boxes.loc[swapped, start] += boxes.loc[swapped, side]
            boxes[side] = boxes[side].abs()
        boxes = self._clipped(boxes)
        boxes = self._without(boxes, (boxes["width"] <= 0) | (boxes["height"] <= 0), "the box has no area")
        if self._pixels:
            ends = boxes[["x", "y"]].to_numpy() + boxes[["width", "height"]].to_numpy()
            shares = (boxes[["x", "y"]] >= 0).all(axis=1) & (ends <= 1 + 1e-6).all(axis=1)
            boxes = self._without(boxes, shares, SHARES)
        nameless = boxes["label"] == ""
        self._add_faults(boxes[nameless], "the box has no label; called unlabelled")
        boxes.loc[nameless, "label"] = "unlabelled"
        if boxes["score"].notna().any():
            boxes = self._without(boxes, ~np.isfinite(boxes["score"]), "the prediction has no score")
            odd = (boxes["score"] < 0) | (boxes["score"] > 1)
            self._add_faults(boxes[odd], "the score is not between 0 and 1; kept, higher still counts as surer")
        same = boxes.duplicated(["path", "label", *sides, "score"])
        if boxes["score"].notna().any():
            self._add_faults(
                boxes[same], "the same prediction comes twice; kept, the second counts as a false positive"
            )
        else:
            boxes = self._without(boxes, same, "the same box comes twice")
        small = ~np.isfinite(boxes["area"]) | (boxes["area"] <= 0)
        boxes.loc[small, "area"] = boxes.loc[small, "width"] * boxes.loc[small, "height"]
        return boxes.reset_index(drop=True)

    def _clipped(self, boxes: pd.DataFrame) -> pd.DataFrame:
        import numpy as np

        sizes = np.array([self._sizes[path] for path in boxes["path"]], float).reshape(-1, 2)
        sizes[sizes == 0] = np.inf
        before = boxes[["x", "y", "width", "height"]].to_numpy()
        low, high = before[:, :2], before[:, :2] + before[:, 2:]
        left, right = np.clip(low, 0, sizes), np.clip(high, 0, sizes)
        beyond = (np.abs(left - low) > MAX_ROUNDING).any(axis=1) | (np.abs(right - high) > MAX_ROUNDING).any(axis=1)
        changed = (left != low).any(axis=1) | (right != high).any(axis=1)
        gone = beyond & (right <= left).any(axis=1)
        self._add_faults(boxes[beyond & ~gone], "the box reaches outside its picture; clipped")
        inner = np.where(changed[:, None], np.hstack([left, right - left]), before)
        boxes[["x", "y", "width", "height"]] = inner
        return self._without(boxes, gone, "the box lies outside its picture")

    def _without(self, boxes: pd.DataFrame, rows: np.ndarray | pd.Series, fault: str) -> pd.DataFrame:
        self._add_faults(boxes[rows], f"{fault}; left out")
        return boxes[~rows].copy()

    def _add_faults(self, boxes: pd.DataFrame, fault: str) -> None:
        places = zip(boxes["path"], boxes["number"], strict=True)
        self.faults += [(f"{path}, box {number}", fault) for path, number in places]


def number(value: Any) -> float:
    """A number from a file, nan for what is none."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _whole(value: Any) -> int:
    size = number(value)
    return int(size) if math.isfinite(size) and 0 < size < 2**31 else 0


def losses(format_name: str, annotations: Annotations, *kinds: str) -> list[str]:
    """A sentence for each of these kinds that occurs."""
    boxes: pd.DataFrame = annotations.boxes
    counts = {kind: int(_OCCURS[kind](boxes).sum()) for kind in kinds} if len(boxes) else {}
    return [
        f"{format_name} holds {_SENTENCES[kind]} ({n:,} of {len(boxes):,} boxes)" for kind, n in counts.items() if n
    ]
