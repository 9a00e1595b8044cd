"""Hits that a float32 product found, put into the order of sums in float64 where it leaves their order in doubt."""

from __future__ import annotations

import numpy as np

_AT_ONCE = 1 << 20  # values gathered at a time: 8 MB of each side in float64


def longest(rows: np.ndarray) -> float:
    """The length of the longest of (n, dim), and hardly more."""
    return 1.001 * float(np.einsum("nd,nd->n", rows, rows).max(initial=0)) ** 0.5


def doubt(queries: np.ndarray, gallery_length: float) -> np.ndarray:
    """(q,) two float32 scores nearer than this may stand in the wrong order: the rounding of a sum of dim products, twice.

    gallery_length: as `longest` gives.
    """
    lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64))
    rounding = 2 * float(np.finfo(np.float32).eps) * queries.shape[1] ** 0.5
    return lengths * (rounding * gallery_length)


def settle(queries: np.ndarray, gallery: np.ndarray, scores: np.ndarray, rows: np.ndarray, doubts: np.ndarray) -> None:
    """In place: (q, c) scores and gallery rows, highest first, as float64 sums order them, equal ones by lower row.

    Scores further apart than a query's doubt keep their places, so only what stands between two such gaps is summed anew.
    """
    close = scores[:, :-1] - scores[:, 1:] < doubts[:, None]  # (q, c - 1): with the next one
    unsure = np.zeros(scores.shape, dtype=bool)
    unsure[:, :-1] |= close
    unsure[:, 1:] |= close
    asking, places = np.nonzero(unsure)
    if not len(asking):
        return
    first = np.ones(scores.shape, dtype=bool)  # of those that are close to each other
    first[:, 1:] = ~close
    group = np.cumsum(first.ravel())[asking * scores.shape[1] + places]
    columns = rows[asking, places]
    sums = np.empty(len(columns), np.float32)
    step = max(1, _AT_ONCE // queries.shape[1])
    for start in range(0, len(columns), step):
        here = slice(start, start + step)
        sums[here] = np.einsum("nd,nd->n", queries[asking[here]], gallery[columns[here]], dtype=np.float64)
    order = np.lexsort((columns, -sums, group))
    rows[asking, places], scores[asking, places] = columns[order], sums[order]
