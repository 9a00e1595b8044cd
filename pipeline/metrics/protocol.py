"""Many queries against a gallery in one pass of bounded memory: each query's metrics, first hits and curves.

A metric is named as it is written: recall_at_1, precision_at_10, knn_20, r_precision, map_at_r, …
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.metrics import ranking, retrieval
from pipeline.metrics.retrieval import Labels
from pipeline.records import Progress, silent

USUAL = (
    *("recall_at_1", "recall_at_10", "precision_at_10", "r_precision", "map_at_r", "ap_at_10", "mrr", "ndcg_at_10"),
    "knn_20",
)
KINDS = "recall_at_K, precision_at_K, ap_at_K, ndcg_at_K, knn_K, r_precision, map_at_r, mrr"
DEEPEST = 1_000  # of K, and of the hits in which mrr looks for the first relevant one
CURVE = 100
KEPT = 10
AT_ONCE = 512  # queries, or fewer: no more than
HITS_AT_ONCE = 1 << 21  # hits are held at a time, some 100 MB with what is made of them
_NAME = re.compile(r"(recall_at|precision_at|ap_at|ndcg_at|knn)_([1-9][0-9]*)")


@dataclass(frozen=True)
class Found:
    """values: metric to (q,), nan where a query has no relevant item. counts: (q,) R of each query.

    hits, scores: (q, ≤ KEPT) gallery rows and cosines, closest first. recall, precision: (≤ CURVE,) means at k = 1, 2, …
    over queries with a relevant item.
    """

    values: dict[str, np.ndarray]
    counts: np.ndarray
    hits: np.ndarray
    scores: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


def check(metrics: Sequence[str]) -> None:
    """UsageError names the metric that there is not."""
    for name in metrics:
        match = _NAME.fullmatch(name)
        if name not in ("r_precision", "map_at_r", "mrr") and not (match and int(match[2]) <= DEEPEST):
            raise UsageError(f"no metric {name!r}; choose from {KINDS}, with K from 1 to {DEEPEST:,}")


def ask(
    queries: np.ndarray,
    query_labels: Labels,
    gallery: np.ndarray,
    gallery_labels: Labels,
    *,
    exclude: np.ndarray | None = None,
    metrics: Sequence[str] = USUAL,
    fields: ranking.Fields = (),
    progress: Progress = silent,
) -> Found:
    """queries (q, dim) and gallery (n, dim), of unit length. exclude: as in retrieval.nearest.

    Where the gallery is smaller than a metric's K, all of it counts as retrieved. fields: for the grades of ndcg, what
    else may agree (see ranking.hit_grades). Raises UsageError.
    """
    check(metrics)
    asked, held = retrieval.label_codes(query_labels, gallery_labels)
    fields = [retrieval.label_codes(*field) for field in fields]  # texts would be sorted again for every few queries
    counts = retrieval.relevant_counts(asked, held, exclude=exclude)
    others = len(gallery) - int(exclude is not None and bool((exclude >= 0).any()))
    depth = min(others, max(CURVE, KEPT, *(int(match[2]) for name in metrics if (match := _NAME.fullmatch(name)))))
    values = {name: np.full(len(queries), np.nan) for name in metrics}
    hits, scores = (
        np.empty((len(queries), min(KEPT, others)), np.int64),
        np.empty((len(queries), min(KEPT, others)), np.float32),
    )
    hit_at, relevant_at = np.zeros(min(CURVE, others)), np.zeros(min(CURVE, others))
    deepest = max(depth, int(counts.max(initial=0)), DEEPEST if "mrr" in metrics else 0)
    step = min(AT_ONCE, max(1, HITS_AT_ONCE // min(others, deepest)))
    for start in range(0, len(queries), step):
        here = slice(start, start + step)
        wanted = int(counts[here].max(initial=0))
        if "mrr" in metrics:
            wanted = max(wanted, DEEPEST)
        left = None if exclude is None else exclude[here]
        found, rows = retrieval.nearest(queries[here], gallery, k=min(others, max(depth, wanted)), exclude=left)
        hits[here], scores[here] = rows[:, :KEPT], found[:, :KEPT]
        seen = counts[here] > 0
        labels = held[rows]
        relevant = (labels == asked[here, None])[seen][:, :CURVE]
        hit_at += np.maximum.accumulate(relevant, axis=1).sum(axis=0)
        relevant_at += np.cumsum(relevant, axis=1).sum(axis=0)
        for name in metrics:
            if name.startswith("ndcg"):
                k = min(int(name.rpartition("_")[2]), labels.shape[1])
                part = [(one[here], other) for one, other in fields]
                grades = ranking.hit_grades(rows[:, :k], asked[here], held, fields=part)
                ideal = ranking.ideal_grades(asked[here], held, k, fields=part, exclude=left)
                values[name][here] = ranking.ndcg(grades, ideal, k)
            else:
                values[name][here] = np.where(seen, _values(name, found, labels, asked[here], counts[here]), np.nan)
        progress("evaluate", min(start + step, len(queries)), len(queries))
    n = max(1, int((counts > 0).sum()))
    return Found(values, counts, hits, scores, hit_at / n, relevant_at / n / np.arange(1, len(hit_at) + 1))


def _values(name: str, scores: np.ndarray, labels: np.ndarray, asked: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(q,) of one metric."""
    match = _NAME.fullmatch(name)
    if match is None:
        if name == "mrr":
            return ranking.reciprocal_rank(labels[:, :DEEPEST], asked)
        return {"r_precision": retrieval.r_precision, "map_at_r": retrieval.average_precision_at_r}[name](
            labels, asked, counts
        )
    k = min(int(match[2]), labels.shape[1])
    if match[1] == "knn":
        return retrieval.knn_accuracy(scores, labels, asked, k=k)
    if match[1] == "ap_at":
        return ranking.average_precision_at_k(labels, asked, counts, k)
    return {"recall_at": retrieval.recall_at_k, "precision_at": retrieval.precision_at_k}[match[1]](labels, asked, k)
