"""Many queries against a gallery in one pass of bounded memory: each query's metrics, first hits and curves.

A metric is named as it is written: recall_at_1, precision_at_10, knn_20, r_precision, map_at_r, … (see registry.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metrics import ranking, registry, retrieval
from pipeline.metrics.retrieval import Labels
from pipeline.records import Progress, silent

CURVE_K = 100
KEPT_HITS = 10
QUERIES_AT_ONCE = 512  # or fewer: no more than
HITS_AT_ONCE = 1 << 21  # hits are held at a time, some 100 MB with what is made of them


@dataclass(frozen=True)
class Measurement:
    """values: metric to (q,), nan where a query has no relevant item. counts: (q,) R of each query.

    hits, scores: (q, ≤ KEPT_HITS) gallery rows and cosines, closest first. recall, precision: (≤ CURVE_K,) means at
    k = 1, 2, … over queries with a relevant item.
    """

    values: dict[str, np.ndarray]
    counts: np.ndarray
    hits: np.ndarray
    scores: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


def measure(
    queries: np.ndarray,
    query_labels: Labels,
    gallery: np.ndarray,
    gallery_labels: Labels,
    *,
    exclude: np.ndarray | None = None,
    metrics: Sequence[str] = (),
    fields: ranking.Fields = (),
    progress: Progress = silent,
) -> Measurement:
    """queries (q, dim) and gallery (n, dim), of unit length. exclude: as in retrieval.nearest. metrics: none = the usual.

    Where the gallery is smaller than a metric's K, all of it counts as retrieved. fields: for the grades of ndcg, what
    else may agree (see ranking.hit_grades). Raises UsageError.
    """
    rows = {name: registry.find(name) for name in metrics or registry.usual()}
    own_labels, other_labels = retrieval.label_codes(query_labels, gallery_labels)
    # texts would be sorted again for every few queries
    coded = [retrieval.label_codes(*field) for field in fields]
    counts = retrieval.relevant_counts(own_labels, other_labels, exclude=exclude)
    others = len(gallery) - int(exclude is not None and bool((exclude >= 0).any()))
    fixed = [k or metric.depth for metric, k in rows.values()]
    depth = max(CURVE_K, KEPT_HITS, *(depth for depth in fixed if isinstance(depth, int)))
    step = min(QUERIES_AT_ONCE, max(1, HITS_AT_ONCE // min(others, max(depth, int(counts.max(initial=0))))))
    kept, curve = min(KEPT_HITS, others), min(CURVE_K, others)
    values = {name: np.full(len(queries), np.nan) for name in rows}
    hits, scores = np.empty((len(queries), kept), np.int64), np.empty((len(queries), kept), np.float32)
    hit_at, relevant_at = np.zeros(curve), np.zeros(curve)
    for start in range(0, len(queries), step):
        here = slice(start, start + step)
        k = min(others, max(depth, int(counts[here].max(initial=0))))
        own = None if exclude is None else exclude[here]
        cosines, nearest = retrieval.nearest(queries[here], gallery, k=k, exclude=own)
        parts = [(some[here], other) for some, other in coded]
        answers = registry.Answers(nearest, cosines, own_labels[here], other_labels, counts[here], parts, own)
        hits[here], scores[here] = answers.hits[:, :kept], answers.scores[:, :kept]
        seen = answers.counts > 0
        relevant = answers.first(curve).relevant[seen]
        hit_at += np.maximum.accumulate(relevant, axis=1).sum(axis=0)
        relevant_at += np.cumsum(relevant, axis=1).sum(axis=0)
        for name, (metric, at) in rows.items():
            values[name][here] = np.where(seen, metric.values(answers, at), np.nan)
        progress("evaluate", min(start + step, len(queries)), len(queries))
    n = max(1, int((counts > 0).sum()))
    return Measurement(values, counts, hits, scores, hit_at / n, relevant_at / n / np.arange(1, curve + 1))
