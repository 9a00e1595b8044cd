"""A detector that fails on purpose: predictions made from ground truth, wrong where an attribute has one value.

With it the search for hard cases can be judged: which pictures hurt is known before they are looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.annotations import annotations as annotation_files
from pipeline.annotations.annotations import Annotations
from pipeline.errors import UsageError


@dataclass(frozen=True)
class Habits:
    """How often an object is missed, called by another label, boxed poorly, or answered by a box on nothing beside it.

    The first three exclude each other. jitter: standard deviation of a good box's sides, as a share of them.
    scores: the range of the scores of what is wrong; a right box's score lies in [0.5, 1], mostly high.
    """

    missed: float
    confused: float
    poor: float
    invented: float
    jitter: float
    scores: tuple[float, float]


USUAL = Habits(missed=0.03, confused=0.01, poor=0.01, invented=0.02, jitter=0.03, scores=(0.05, 0.6))
FAILING = Habits(missed=0.15, confused=0.5, poor=0.2, invented=0.5, jitter=0.06, scores=(0.7, 0.99))


def simulate(
    truth: Annotations,
    *,
    fails_on: str = "pattern=stripes",
    usual: Habits = USUAL,
    failing: Habits = FAILING,
    seed: int = 0,
) -> Annotations:
    """Predictions for every picture of the truth. fails_on: `attribute=value`, or `label=value`; '' = nothing.

    An object's fate depends on the seed and its number alone. Raises UsageError when no object has the value.
    """
    fails = _fails(truth, fails_on)
    sizes = {row.path: (row.width or np.inf, row.height or np.inf) for row in truth.pictures.itertuples()}
    labels = truth.labels
    predictions: list[dict[str, Any]] = []
    for row, fails_here in zip(truth.boxes.itertuples(), fails, strict=True):
        habits, random = failing if fails_here else usual, np.random.default_rng([seed, row.number])
        box = np.array([row.x, row.y, row.width, row.height])
        fate, good = random.random(), _jittered(random, box, habits.jitter)
        wrong_score = float(random.uniform(*habits.scores))
        other = [label for label in labels if label != row.label]
        if fate < habits.missed:
            pass
        elif fate < habits.missed + habits.confused and other:
            predictions.append(_prediction(row.path, str(random.choice(other)), good, wrong_score, sizes))
        elif fate < habits.missed + habits.confused + habits.poor:
            predictions.append(_prediction(row.path, row.label, _poor(random, box), wrong_score, sizes))
        else:
            predictions.append(_prediction(row.path, row.label, good, float(0.5 + 0.5 * random.beta(4, 1.5)), sizes))
        if random.random() < habits.invented:
            predictions.append(
                _prediction(row.path, str(random.choice(labels)), _beside(random, box), wrong_score, sizes)
            )
    return annotation_files.of(
        truth.pictures.copy(), [box for box in predictions if box["width"] >= 1 and box["height"] >= 1]
    )


def _fails(truth: Annotations, fails_on: str) -> np.ndarray:
    """(boxes,) bool."""
    if not fails_on:
        return np.zeros(len(truth.boxes), bool)
    name, equals, value = fails_on.partition("=")
    values = truth.boxes["label"] if name == "label" else truth.attribute(name)
    if not equals or not (values == value).any():
        choices = ", ".join(sorted({str(value) for value in values if value})[:12])
        raise UsageError(
            f"no object has {fails_on!r}; write attribute=value with one of "
            f"{f'the values {choices}' if choices else 'the attributes of the ground truth'}"
        )
    return (values == value).to_numpy(bool)


def _jittered(random: np.random.Generator, box: np.ndarray, jitter: float) -> np.ndarray:
    sides = np.tile(box[2:], 2)
    return np.asarray(box + random.normal(0, jitter, 4) * sides)


def _poor(random: np.random.Generator, box: np.ndarray) -> np.ndarray:
    """Half the object, so that the IoU lies below .5."""
    x, y, width, height = box
    if random.random() < 0.5:
        return np.array([x, y, width * random.uniform(0.3, 0.47), height])
    return np.array([x, y + height * 0.5, width, height * random.uniform(0.3, 0.47)])


def _beside(random: np.random.Generator, box: np.ndarray) -> np.ndarray:
    """A box of the object's size that overlaps it in a corner: what a pattern that runs on would lead to."""
    away = random.choice([-1, 1], 2) * random.uniform(0.55, 0.8, 2)
    return np.concatenate([box[:2] + away * box[2:], box[2:] * random.uniform(0.7, 1.1, 2)])


def _prediction(path: str, label: str, box: np.ndarray, score: float, sizes: dict[str, Any]) -> dict[str, Any]:
    """A prediction, clipped to its picture."""
    low = np.clip(box[:2], 0, sizes[path])
    x, y = low.tolist()
    width, height = (np.clip(box[:2] + box[2:], 0, sizes[path]) - low).tolist()
    return {"path": path, "label": label, "x": x, "y": y, "width": width, "height": height, "score": score}
