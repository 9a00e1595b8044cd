"""How sure a mAP is: pictures drawn again and again, each prediction matched only once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.metrics.detection_coco import evaluated
from pipeline.metrics.intervals import Interval, of_draws

if TYPE_CHECKING:
    from pipeline.annotations.annotations import Annotations

AT_ONCE = 64  # rounds: their arrays stay in the processor's cache
_STEPS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class _Label:
    """A label's predictions of all pictures, highest score first.

    pictures: (n,) of which picture; right, counted: (IoU, n) bool; objects: (pictures,) how many are to be found.
    """

    pictures: np.ndarray
    right: np.ndarray
    counted: np.ndarray
    objects: np.ndarray


def bootstrap(
    truth: Annotations,
    predictions: Annotations,
    subsets: Mapping[str, Collection[str]],
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """mAP (.50 to .95) of each subset of the truth's pictures as it is, and of each drawn set.

    A round draws as many pictures as there are in all subsets together, with replacement; a picture drawn twice counts
    twice in every subset it is in. So the draws of two subsets belong together, round by round, and can be compared.
    """
    in_truth = set(truth.pictures["path"])
    inside = {name: set(paths) & in_truth for name, paths in subsets.items()}
    wanted = set().union(*inside.values()) if inside else set()
    paths = [path for path in truth.pictures["path"] if path in wanted]
    labels = _matched(truth.only(wanted), predictions.only(wanted), paths)
    random = np.random.default_rng(seed)
    drawn = np.stack(
        [np.ones(len(paths), np.int32)]
        + [
            np.bincount(random.integers(len(paths), size=len(paths)), minlength=len(paths)).astype(np.int32)
            for _ in range(rounds if paths else 0)
        ]
    )  # (1 + rounds, pictures): how often each counts; the first is the set as it is
    intervals = {}
    for name, chosen in inside.items():
        values = mean_average_precision(labels, drawn * np.array([path in chosen for path in paths], np.int32))
        intervals[name] = of_draws(values[1:], value=float(values[0]))
    return intervals


def mean_average_precision(labels: list[_Label], counts: np.ndarray) -> np.ndarray:
    """(rounds, pictures) how often a picture counts to (rounds,) mAP over labels and IoUs; nan where no object is left."""
    parts = [_some_rounds(labels, counts[at : at + AT_ONCE]) for at in range(0, len(counts), AT_ONCE)]
    return np.concatenate(parts)


def _some_rounds(labels: list[_Label], counts: np.ndarray) -> np.ndarray:
    total, n_labels = np.zeros(len(counts)), np.zeros(len(counts), int)
    for label in labels:
        objects = counts @ label.objects  # (rounds,)
        total += np.where(objects > 0, _average_precision(label, counts, objects), 0)
        n_labels += objects > 0
    with np.errstate(invalid="ignore"):
        return np.where(n_labels > 0, total / n_labels, np.nan)


def _average_precision(label: _Label, counts: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """(rounds,) mean over IoUs of the precision at 101 recalls, as COCO interpolates it."""
    drawn = (counts.max(axis=0) > 0)[label.pictures]
    weights = counts[:, label.pictures[drawn]]  # (rounds, n)
    result, seen, last = np.zeros(len(counts)), np.empty(0), None
    for right, counted in zip(label.right[:, drawn], label.counted[:, drawn], strict=True):
        at = np.flatnonzero(right)
        if not at.size:
            continue
        if last is None or not np.array_equal(counted, last):  # with no crowd it is the same at every IoU
            seen, last = np.cumsum(weights * counted, axis=1, dtype=np.int32), counted
        true_positives = np.cumsum(weights[:, at], axis=1, dtype=np.int32)  # (rounds, right ones)
        precision = true_positives / np.maximum(seen[:, at], 1)
        ceiling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = _recalls(true_positives, objects)
        new = np.diff(reached, axis=1, prepend=0)  # recalls of the 101 that this prediction is the first to reach
        result += np.einsum("ij,ij->i", ceiling, new) / 101
    return result / len(label.right)


def _recalls(true_positives: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """How many of the recalls 0, .01, …, 1 are reached; the first, 0, only once something is found."""
    recall = true_positives / np.maximum(objects, 1)[:, None]
    low = (recall * 100).astype(np.int32)
    # rounding may put the product one step too low or too high: the comparison decides, as in COCO
    low -= _STEPS[low] > recall
    low += _STEPS[np.minimum(low + 1, 100)] <= recall
    return np.where(true_positives > 0, np.minimum(low, 100) + 1, 0)


def _matched(truth: Annotations, predictions: Annotations, paths: list[str]) -> list[_Label]:
    """What pycocotools matched, gathered label by label."""
    if not paths or truth.boxes.empty:
        return []
    run: Any = evaluated(truth, predictions, paths=paths, areas=["all"], accumulate=False)
    labels = []
    for start in range(0, len(run.evalImgs), len(paths)):
        images = [(at, image) for at, image in enumerate(run.evalImgs[start : start + len(paths)]) if image is not None]
        objects = np.zeros(len(paths), np.int64)
        for at, image in images:
            objects[at] = np.count_nonzero(np.asarray(image["gtIgnore"]) == 0)
        scores = np.concatenate([np.asarray(image["dtScores"], float) for _, image in images])
        order = np.argsort(-scores, kind="mergesort")
        pictures = np.repeat([at for at, _ in images], [len(image["dtScores"]) for _, image in images])[order]
        matched = np.concatenate([image["dtMatches"] for _, image in images], axis=1)[:, order] > 0
        ignored = np.concatenate([image["dtIgnore"] for _, image in images], axis=1)[:, order].astype(bool)
        labels.append(_Label(pictures, matched & ~ignored, ~ignored, objects))
    return labels
