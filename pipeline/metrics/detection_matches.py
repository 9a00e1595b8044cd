"""Which prediction found which object, and why a false positive is one: arrays in, tables out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.annotations.annotations import Annotations

NEAR = 0.1  # IoU below which a false positive has nothing to do with an object (TIDE's background threshold)
KINDS = ("background", "confused class", "poor box", "duplicate")
MAX_PREDICTIONS = 100  # predictions of a label in a picture that count, the highest scores first: COCO's


@dataclass(frozen=True)
class Matches:
    """predictions: the boxes and outcome (TP, FP or ignored), iou, truth (number of the object, -1 = none), kind.

    iou and truth of a TP are those of the object it found; of a FP those of the object that explains its kind. kind is
    '' except for a FP. truth: the boxes and outcome (TP, FN or ignored), prediction (number of the box that found it or -1).
    """

    predictions: pd.DataFrame
    truth: pd.DataFrame
    iou: float
    score: float

    @property
    def counts(self) -> dict[str, int]:
        """TP, FP, FN and how many FP of each kind."""
        outcomes = self.predictions["outcome"].value_counts()
        kinds = self.predictions["kind"].value_counts()
        counts = {"TP": int(outcomes.get("TP", 0)), "FP": int(outcomes.get("FP", 0))}
        counts["FN"] = int((self.truth["outcome"] == "FN").sum())
        return counts | {kind: int(kinds.get(kind, 0)) for kind in KINDS}


def match(truth: Annotations, predictions: Annotations, *, iou: float = 0.5, score: float = 0.0) -> Matches:
    """Give predictions of at least `score` to objects as COCO does, highest score first, each to the best free one.

    A crowd takes any number of predictions, which are then ignored. Only pictures of the truth are looked at. Kinds of
    false positives, a simplified TIDE (Bolya et al. 2020): "duplicate": IoU ≥ `iou` with an object of its label that a
    surer one found; "confused class": the same with an object of another label; "poor box": IoU from 0.1 to `iou` with one
    of its label; then "confused class" again with one of another (TIDE's "both"); else "background".
    """
    pictures = set(truth.pictures["path"])
    boxes = predictions.boxes
    predicted = boxes[boxes["path"].isin(pictures) & (boxes["score"].fillna(0) >= score)].reset_index(drop=True)
    actual = truth.boxes.reset_index(drop=True)
    outcome, kind = np.full(len(predicted), "FP", object), np.full(len(predicted), "", object)
    best, owner = np.zeros(len(predicted)), np.full(len(predicted), -1)
    actual_outcome, found_by = np.where(actual["crowd"], "ignored", "FN").astype(object), np.full(len(actual), -1)
    rows_of, objects_of = predicted.groupby("path").indices, actual.groupby("path").indices
    predicted_labels, actual_labels = predicted["label"].to_numpy(), actual["label"].to_numpy()
    scores = predicted["score"].to_numpy()
    crowds, numbers = actual["crowd"].to_numpy(bool), actual["number"].to_numpy()
    predicted_sides, actual_sides = _sides(predicted), _sides(actual)
    for path, unsorted in rows_of.items():
        rows = unsorted[np.argsort(-scores[unsorted], kind="stable")]
        objects = objects_of.get(path, np.empty(0, int))
        overlap = overlaps(predicted_sides[rows], actual_sides[objects], crowds[objects])  # (rows, objects)
        same = predicted_labels[rows, None] == actual_labels[objects]
        taken = np.zeros(len(objects), bool)
        counted: dict[str, int] = {}
        for at, row in enumerate(rows):
            label = predicted_labels[row]
            counted[label] = counted.get(label, 0) + 1
            if counted[label] > MAX_PREDICTIONS:
                outcome[row] = "ignored"
                continue
            free = np.where(same[at] & (~taken | crowds[objects]), overlap[at], -1.0)
            to = _best(np.where(crowds[objects], -1.0, free), iou)
            to = _best(free, iou) if to < 0 else to
            if to >= 0:
                outcome[row] = "ignored" if crowds[objects[to]] else "TP"
                taken[to] = True
                if outcome[row] == "TP":
                    actual_outcome[objects[to]], found_by[objects[to]] = "TP", predicted["number"].iat[row]
            else:
                kind[row], to = _why(np.where(crowds[objects], 0.0, overlap[at]), same[at], iou)
            if to >= 0:
                best[row], owner[row] = overlap[at, to], numbers[objects[to]]
    return Matches(
        predicted.assign(outcome=outcome, iou=best, truth=owner, kind=kind),
        actual.assign(outcome=actual_outcome, prediction=found_by),
        iou,
        score,
    )


def overlaps(boxes: np.ndarray, objects: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """(n, 4) and (m, 4) boxes x, y, width, height to (n, m) IoU; with a crowd, the share of the first that lies in it."""
    low = np.maximum(boxes[:, None, :2], objects[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (objects[:, :2] + objects[:, 2:])[None])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    own = boxes[:, 2:].prod(axis=1)[:, None]
    whole = np.where(crowds[None], own, own + objects[:, 2:].prod(axis=1)[None] - shared)
    return np.asarray(shared / np.maximum(whole, 1e-12))


def _best(values: np.ndarray, least: float) -> int:
    """Place of the largest value from `least` on, the last of equal ones; -1 for none."""
    if not len(values) or values.max() < min(least, 1 - 1e-10):
        return -1
    return int(len(values) - 1 - values[::-1].argmax())


def _why(overlap: np.ndarray, same: np.ndarray, iou: float) -> tuple[str, int]:
    """The kind of a false positive and the place of the object that explains it."""
    own, other = np.where(same, overlap, 0.0), np.where(same, 0.0, overlap)
    for least, kind, values in (
        (iou, "duplicate", own),
        (iou, "confused class", other),
        (NEAR, "poor box", own),
        (NEAR, "confused class", other),
    ):
        if (to := _best(values, least)) >= 0:
            return kind, to
    return "background", -1


def _sides(boxes: pd.DataFrame) -> np.ndarray:
    return boxes[["x", "y", "width", "height"]].to_numpy(float).reshape(-1, 4)
