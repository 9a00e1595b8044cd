"""Metrics of the order of hits: average precision, reciprocal rank, and nDCG with grades from labels and metadata.

As in retrieval: one value per query, their mean is the metric, nan marks a query without relevant items, to be left out
and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.metrics.registry import Answers, Metric
from pipeline.metrics.retrieval import Labels, _enough, _or_nan, _relevant, label_codes, relevant_counts

Fields = Sequence[tuple[Labels, Labels]]  # of each field, what queries and what gallery items have


def average_precision_at_k(hit_labels: np.ndarray, query_labels: Labels, counts: np.ndarray, k: int) -> np.ndarray:
    """(q,) sum over ranks <= k of precision at each relevant hit, divided by min(R, k); nan where R is 0.

    Dividing by R instead would cap it at k / R; dividing by the hits found would reward finding few.
    """
    relevant = _relevant(hit_labels, query_labels, k)
    precision = np.cumsum(relevant, axis=1) / np.arange(1, k + 1)
    return (precision * relevant).sum(axis=1) / _or_nan(np.minimum(counts, k))


def reciprocal_rank(hit_labels: np.ndarray, query_labels: Labels) -> np.ndarray:
    """(q,) 1 / rank of the first hit that has the query's label, 0 where none of those given has; its mean is MRR."""
    relevant = _relevant(hit_labels, query_labels, hit_labels.shape[1])
    return np.where(relevant.any(axis=1), 1 / (1 + relevant.argmax(axis=1)), 0.0)


def ndcg(
    hit: np.ndarray, ideal: np.ndarray, k: int, *, gain: Literal["linear", "exponential"] = "linear"
) -> np.ndarray:
    """(q,) DCG of the first k hits over that of the best k gallery items; nan where no item has a grade above 0.

    hit: (q, >= k) grades of the hits, in their order; ideal: (q, >= k) the highest grades of all that could be found,
    descending. DCG sums gain / log2(rank + 1); the gain is the grade (Järvelin and Kekäläinen 2002) or 2^grade - 1
    (Burges et al. 2005): say which.
    """
    if gain not in ("linear", "exponential"):
        raise UsageError(f"no gain {gain!r}; choose linear or exponential")
    _enough(hit, k)
    _enough(ideal, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    reached, best = (
        (grades[:, :k] if gain == "linear" else np.exp2(grades[:, :k]) - 1) @ discount for grades in (hit, ideal)
    )
    return reached / np.where(best > 0, best, np.nan)


def hit_grades(hits: np.ndarray, query_labels: Labels, gallery_labels: Labels, *, fields: Fields = ()) -> np.ndarray:
    """(q, k) grades of hits, (q, k) gallery rows: 0 where the labels differ, else 1 + how many fields agree.

    An empty value agrees with an empty one; leave out fields that few items have.
    """
    agree = np.zeros(hits.shape, np.int64)
    for query_codes, gallery_codes in (label_codes(*field) for field in fields):
        agree += gallery_codes[hits] == query_codes[:, None]
    query_codes, gallery_codes = label_codes(query_labels, gallery_labels)
    return np.where(gallery_codes[hits] == query_codes[:, None], 1 + agree, 0)


def ideal_grades(
    query_labels: Labels, gallery_labels: Labels, k: int, *, fields: Fields = (), exclude: np.ndarray | None = None
) -> np.ndarray:
    """(q, k) the highest grades (as of hit_grades) that the gallery has for each query, descending, then zeros.

    exclude: as in retrieval.nearest. Nothing of the size queries x gallery is made; the time doubles with each field.
    """
    n = len(fields)
    label, *others = [label_codes(*field) for field in ((query_labels, gallery_labels), *fields)]
    # agreeing[s]: how many items agree in the label and in s chosen fields, summed over the choices. An item that
    # agrees in m fields is in comb(m, s) of these, so what agrees in exactly m is had by counting down from all.
    agreeing = np.zeros((n + 1, len(label[0])), np.int64)
    for size in range(n + 1):
        for chosen in combinations(others, size):
            agreeing[size] += relevant_counts(*_together([label, *chosen]), exclude=exclude)
    for m in range(n, -1, -1):
        agreeing[m] -= sum((comb(more, m) * agreeing[more] for more in range(m + 1, n + 1)), start=0)
    ends = np.cumsum(agreeing[::-1], axis=0)  # (fields + 1, q) the rank at which each grade ends, the highest first
    return (ends[:, :, None] > np.arange(k)).sum(axis=0)


def _together(fields: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Several fields' numbers as one's: equal where all of them are."""
    query_codes, gallery_codes = fields[0]
    for field in fields[1:]:
        width = 1 + max(int(numbers.max(initial=0)) for numbers in field)
        # numbered anew: never too large
        query_codes, gallery_codes = label_codes(query_codes * width + field[0], gallery_codes * width + field[1])
    return query_codes, gallery_codes


def _graded(answers: Answers) -> np.ndarray:
    """(q,) ndcg of the answers, graded by their labels and fields."""
    own, others = answers.query_labels, answers.gallery_labels
    grades = hit_grades(answers.hits, own, others, fields=answers.fields)
    return ndcg(grades, ideal_grades(own, others, answers.k, fields=answers.fields, exclude=answers.exclude), answers.k)


METRICS = (
    Metric(
        "ap_at_K",
        lambda answers: average_precision_at_k(answers.hit_labels, answers.query_labels, answers.counts, answers.k),
        "mean precision at each right hit among the first K, over the smaller of K and R",
        usual=(10,),
    ),
    Metric(
        "mrr",
        lambda answers: reciprocal_rank(answers.hit_labels, answers.query_labels),
        "mean of 1 / rank of the first right hit, 0 when none of the first 1,000 is right",
        depth=1_000,
        usual=(0,),
    ),
    Metric("ndcg_at_K", _graded, "how near the order of the first K comes to the best one, by grades", usual=(10,)),
)
