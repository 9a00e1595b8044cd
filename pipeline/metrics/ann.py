"""How much of the exact nearest an approximate index returns: pure functions on arrays."""

from __future__ import annotations

import numpy as np

TIE = 1e-6  # cosine: scores that are no further apart are equal, since they are rounded to float32


def ann_recall(rows: np.ndarray, scores: np.ndarray, exact: np.ndarray, *, tie: float = TIE) -> np.ndarray:
    """(q,) share of k places that hold a row as close as the exact k-th, in the manner of ann-benchmarks.

    rows: (q, m), m <= k, what an index returned, -1 for nothing. scores: (q, m) the true cosine of each, as true_scores
    gives. exact: (q, k) the scores of the exact k nearest, best first. Which of several rows that tie at the k-th place
    is returned does not matter; a row returned twice counts once.
    """
    assert rows.shape == scores.shape
    assert rows.shape[1] <= exact.shape[1]
    right = (rows >= 0) & (scores >= exact[:, -1:] - tie)
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    again = np.zeros_like(right)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return (right & ~again).sum(axis=1) / exact.shape[1]


def ranked_alike(
    queries: np.ndarray, gallery: np.ndarray, *, k: int, exclude: np.ndarray, tie: float = TIE
) -> np.ndarray:
    """(q,) bool: cosine, Euclidean distance and inner product, each by its own formula, give the same first k.

    exclude: (q,) the query's own row. Rows whose cosines are within `tie` may change places.
    """
    rows = gallery.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    alike = np.empty(len(queries), bool)
    for at, (query, own) in enumerate(zip(queries.astype(np.float64), exclude, strict=True)):
        products = rows @ query
        cosines = products / (lengths * np.linalg.norm(query))
        orders = []
        for scores in (cosines, -np.linalg.norm(rows - query, axis=1), products):
            scores = scores.copy()
            scores[own] = -np.inf
            orders.append(np.argsort(-scores, kind="stable")[:k])
        alike[at] = all(np.abs(cosines[order] - cosines[orders[0]]).max() <= tie for order in orders[1:])
    return alike


def true_scores(queries: np.ndarray, gallery: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(q, m) float32 cosine of each query with the gallery rows (q, m); -inf where a row is -1. Summed in float64."""
    scores = np.full(rows.shape, -np.inf, np.float32)
    for at, (query, hits) in enumerate(zip(queries.astype(np.float64), rows, strict=True)):
        is_hit = hits >= 0
        scores[at, is_hit] = gallery[hits[is_hit]].astype(np.float64) @ query
    return scores


def without_own(rows: np.ndarray, own: np.ndarray, *, k: int) -> np.ndarray:
    """(q, k) of the (q, k + 1) rows that a query found which is itself the gallery row own (q,): that one is taken out,
    or the last where it was not found. Found once more it is no hit, -1.
    """
    same = rows == own[:, None]
    kept = np.ones_like(same)
    kept[np.arange(len(rows)), np.where(same.any(axis=1), same.argmax(axis=1), rows.shape[1] - 1)] = False
    others = rows[kept].reshape(len(rows), -1)[:, :k]
    return np.where(others == own[:, None], -1, others)
