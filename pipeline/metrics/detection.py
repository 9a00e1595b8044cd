"""How well a detector finds: COCO's average precision, precision and recall at a score, curves, miss rate.

No file is read here; `match` (detection_matches) and `bootstrap` (detection_bootstrap) belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.metrics.detection_bootstrap import bootstrap as bootstrap
from pipeline.metrics.detection_coco import AREAS, evaluated
from pipeline.metrics.detection_matches import Matches as Matches
from pipeline.metrics.detection_matches import match as match
from pipeline.metrics.intervals import Interval as Interval

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.annotations.annotations import Annotations

RECALLS = np.linspace(0, 1, 101)
FPPI = np.logspace(-2, 0, 9)  # false positives a picture, Dollár et al. 2012


@dataclass(frozen=True)
class Detection:
    """nan where there is nothing to measure.

    map: mean over labels and IoU .50 to .95; ap50, ap75: at one IoU; map_small, map_medium, map_large: of objects below
    32², from 32² to 96² and above px². precision, recall, f1: of all boxes at IoU .5 with at least `score`; f1_best and
    score_best: the highest F1 and its score. miss_rate: log-average over labels. per_label: label, objects, predictions,
    map, ap50, ap75, precision, recall, f1, miss_rate. curves: label to (101,) precision at recall 0, .01, …, 1 at IoU .5;
    '' is the mean. counts: TP, FP, FN and kinds of FP at `score`.
    """

    map: float
    ap50: float
    ap75: float
    map_small: float
    map_medium: float
    map_large: float
    precision: float
    recall: float
    f1: float
    score: float
    f1_best: float
    score_best: float
    miss_rate: float
    pictures: int
    counts: dict[str, int]
    per_label: pd.DataFrame
    curves: dict[str, np.ndarray]


def evaluate(
    truth: Annotations, predictions: Annotations, *, paths: Iterable[str] | None = None, score: float = 0.5
) -> Detection:
    """Over the truth's pictures, or those of `paths` among them; predictions of other pictures are left out.

    A predicted label that the truth does not know has no average precision, and counts as false positive at `score`.
    """
    import pandas as pd

    wanted = set(truth.pictures["path"]) if paths is None else set(paths)
    truth, predictions = truth.only(wanted), predictions.only(wanted)
    shown = truth.pictures["path"].tolist()
    labels = truth.labels
    empty = np.full((10, 101, 0, 4, 1), -1.0)
    precision = _precision(truth, predictions, shown) if labels else empty  # (IoU, recall, label, area, 1)
    matches = match(truth, predictions)
    rows = [_of_label(label, precision[:, :, at, 0, 0], matches, len(shown), score) for at, label in enumerate(labels)]
    columns = ["label", "objects", "predictions", "map", "ap50", "ap75", "precision", "recall", "f1", "miss_rate"]
    table = pd.DataFrame(rows, columns=columns)
    at_score = match(truth, predictions, score=score)
    best = _best_f1(matches)
    by_area = {name: _mean(precision[..., at, 0]) for at, name in enumerate(AREAS)}
    curves = {label: _shown(precision[0, :, at, 0, 0]) for at, label in enumerate(labels)}
    real = [curve for curve in curves.values() if np.isfinite(curve).all()]
    curves[""] = np.mean(real, axis=0) if real else np.full(101, np.nan)
    return Detection(
        by_area["all"],
        _mean(precision[0, ..., 0, 0]),
        _mean(precision[5, ..., 0, 0]),
        by_area["small"],
        by_area["medium"],
        by_area["large"],
        *_rates(at_score.counts),
        score,
        *best,
        float(table["miss_rate"].mean()),
        len(shown),
        at_score.counts,
        table,
        curves,
    )


def miss_rate(matches: Matches, *, pictures: int) -> float:
    """Log-average miss rate: the geometric mean of the share missed at nine rates of false positives a picture.

    Where a curve does not reach down to a rate, everything counts as missed there. nan without objects.
    """
    objects = int((matches.truth["outcome"] != "ignored").sum())
    if not objects or not pictures:
        return float("nan")
    predictions = matches.predictions[matches.predictions["outcome"] != "ignored"]
    right = predictions.sort_values("score", ascending=False, kind="stable")["outcome"].to_numpy() == "TP"
    wrong_rate = np.concatenate([[-1.0], np.cumsum(~right) / pictures])
    missed = np.concatenate([[1.0], 1 - np.cumsum(right) / objects])
    at = np.searchsorted(wrong_rate, FPPI, side="right") - 1
    return float(np.exp(np.log(np.maximum(missed[at], 1e-10)).mean()))


def _precision(truth: Annotations, predictions: Annotations, paths: list[str]) -> np.ndarray:
    run: Any = evaluated(truth, predictions, paths=paths, areas=list(AREAS))
    return np.asarray(run.eval["precision"][..., -1:])  # 100 predictions a picture and label


def _of_label(label: str, precision: np.ndarray, matches: Matches, pictures: int, score: float) -> tuple[Any, ...]:
    """precision: (IoU, recall) of the label."""
    predictions, truth = matches.predictions, matches.truth
    own = Matches(
        predictions[predictions["label"] == label], truth[truth["label"] == label], matches.iou, matches.score
    )
    objects = int((own.truth["outcome"] != "ignored").sum())
    sure = own.predictions[own.predictions["score"] >= score]
    right, wrong = (int((sure["outcome"] == name).sum()) for name in ("TP", "FP"))
    rates = _rates({"TP": right, "FP": wrong, "FN": objects - right})
    figures = (_mean(precision), _mean(precision[0]), _mean(precision[5]))
    return label, objects, len(own.predictions), *figures, *rates, miss_rate(own, pictures=pictures)


def _best_f1(matches: Matches) -> tuple[float, float]:
    """The highest F1 that a score gives, and the score: a later prediction never takes an object from a surer one."""
    predictions = matches.predictions[matches.predictions["outcome"] != "ignored"].sort_values("score", ascending=False)
    objects = int((matches.truth["outcome"] != "ignored").sum())
    if predictions.empty or not objects:
        return float("nan"), float("nan")
    right = np.cumsum(predictions["outcome"].to_numpy() == "TP")
    scores = predictions["score"].to_numpy()
    f1 = 2 * right / (np.arange(1, len(right) + 1) + objects)
    f1[:-1][scores[:-1] == scores[1:]] = -1  # a score takes all predictions that have it
    return float(f1.max()), float(scores[f1.argmax()])


def _rates(counts: dict[str, int]) -> tuple[float, float, float]:
    """Precision, recall, F1; nan where nothing was predicted or nothing is there."""
    right, wrong, missed = counts["TP"], counts["FP"], counts["FN"]
    precision = right / (right + wrong) if right + wrong else float("nan")
    recall = right / (right + missed) if right + missed else float("nan")
    f1 = 2 * right / (2 * right + wrong + missed) if right + wrong + missed else float("nan")
    return precision, recall, f1


def _mean(precision: np.ndarray) -> float:
    """COCO marks with -1 what has no object."""
    real = precision[precision > -1]
    return float(real.mean()) if real.size else float("nan")


def _shown(curve: np.ndarray) -> np.ndarray:
    return np.where(curve > -1, curve, np.nan)
