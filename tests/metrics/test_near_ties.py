"""A product in float32, settled where it leaves the order in doubt, ranks as sums in float64 do."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics import near_ties
from pipeline.metrics.retrieval import nearest

DIM = 48


def unit(n: int, *, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowded(n: int) -> np.ndarray:
    """Rows that differ in their last bits, and copies of some of them, all over the place."""
    rows = unit(n // 20, seed=1)[np.arange(n) % (n // 20)]
    rows[n // 2 :] += np.float32(3e-7) * np.random.default_rng(2).normal(size=(n - n // 2, DIM)).astype(np.float32)
    return rows[np.random.default_rng(3).permutation(n)]


def in_float64(query: np.ndarray, gallery: np.ndarray) -> list[int]:
    """Row by row: the highest first, what is equal in float32 by row."""
    sums = [np.float32(np.dot(query.astype(np.float64), row.astype(np.float64))) for row in gallery]
    return sorted(range(len(gallery)), key=lambda row: (-sums[row], row))


@pytest.mark.parametrize("k", [1, 7, 300, 2_000])
def test_rows_that_differ_in_their_last_bits_are_ranked_as_in_float64(k: int) -> None:
    gallery, queries = crowded(2_000), unit(6, seed=4)
    _, found = nearest(queries, gallery, k=k)
    for query, rows in zip(queries, found, strict=True):
        assert rows.tolist() == in_float64(query, gallery)[:k]


def test_length_moves_the_doubt_along() -> None:
    gallery, queries = 50 * crowded(400), 30 * unit(3, seed=5)
    _, found = nearest(queries, gallery, k=60)
    for query, rows in zip(queries, found, strict=True):
        assert rows.tolist() == in_float64(query, gallery)[:60]


def test_what_stands_apart_keeps_its_place_and_its_score() -> None:
    queries, gallery = unit(1, seed=6), unit(4, seed=7)
    scores, rows = np.array([[0.9, 0.5, 0.4999999, 0.1]], np.float32), np.array([[3, 2, 1, 0]])
    near_ties.settle(queries, gallery, scores, rows, np.array([1e-5]))
    assert (rows[0, 0], rows[0, 3]) == (3, 0)
    assert (scores[0, 0], scores[0, 3]) == (np.float32(0.9), np.float32(0.1))
    assert sorted(rows[0, 1:3]) == [1, 2]
    sums = (gallery[rows[0, 1:3]].astype(np.float64) @ queries[0].astype(np.float64)).astype(np.float32)
    assert scores[0, 1:3].tolist() == sums.tolist()
    assert sums[0] >= sums[1]
