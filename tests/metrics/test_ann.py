"""ann_recall against a loop that a child could check."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics import ann
from pipeline.metrics.retrieval import nearest


def rows(n: int, *, dim: int = 6, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(n, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def slow_recall(query: np.ndarray, gallery: np.ndarray, found: list[int], k: int) -> float:
    """Of k places, those filled by different rows as close as the k-th closest of all."""
    cosines = [sum(float(a) * float(b) for a, b in zip(query, row, strict=True)) for row in gallery]
    kth = sorted(cosines, reverse=True)[k - 1]
    return sum(cosines[row] >= kth - 1e-6 for row in set(found) - {-1}) / k


def recall(queries: np.ndarray, gallery: np.ndarray, found: np.ndarray, k: int) -> list[float]:
    exact = nearest(queries, gallery, k=k)[0]
    return ann.ann_recall(found, ann.true_scores(queries, gallery, found), exact).tolist()


def test_it_is_what_the_loop_counts() -> None:
    gallery, queries = rows(50), rows(12, seed=1)
    random = np.random.default_rng(2)
    exact = nearest(queries, gallery, k=8)[1]
    found = np.where(random.random(exact.shape) < 0.6, exact, random.integers(-1, 50, exact.shape))
    slow = [slow_recall(query, gallery, list(row), 8) for query, row in zip(queries, found, strict=True)]
    assert recall(queries, gallery, found, 8) == pytest.approx(slow)
    assert 0.3 < np.mean(slow) < 1


def test_which_of_the_rows_that_tie_is_returned_does_not_matter() -> None:
    gallery = np.concatenate([rows(3), np.repeat(rows(1, seed=9), 20, axis=0)])
    query = gallery[3:4]
    for found in ([3, 4, 5], [20, 21, 22], [7, 3, 19]):
        assert recall(query, gallery, np.array([found]), 3) == [1.0]


def test_a_row_returned_twice_counts_once_and_nothing_counts_nothing() -> None:
    gallery = rows(30)
    best = nearest(gallery[:1], gallery, k=3)[1][0]
    assert recall(gallery[:1], gallery, np.array([[best[0], best[0], best[1]]]), 3) == [pytest.approx(2 / 3)]
    assert recall(gallery[:1], gallery, np.array([[best[2], -1, -1]]), 3) == [pytest.approx(1 / 3)]
    assert recall(gallery[:1], gallery, np.array([[-1, -1, -1]]), 3) == [0.0]


def test_true_scores_are_cosines_and_nothing_has_none() -> None:
    gallery = rows(9)
    scores = ann.true_scores(gallery[:1], gallery, np.array([[0, 5, -1]]))
    assert scores[0, 0] == pytest.approx(1)
    assert scores[0, 1] == pytest.approx(float(gallery[0] @ gallery[5]))
    assert np.isneginf(scores[0, 2])


def test_a_picture_does_not_find_itself() -> None:
    found = np.array([[7, 1, 2], [3, 8, 4], [5, 6, 9], [-1, -1, -1], [2, 2, 3]])
    kept = ann.without_own(found, np.array([7, 8, 0, 1, 2]), k=2)
    assert kept.tolist() == [[1, 2], [3, 4], [5, 6], [-1, -1], [-1, 3]]


def test_the_three_metrics_rank_unit_rows_alike_and_longer_ones_not() -> None:
    gallery = rows(300)
    own = np.arange(40)
    assert ann.ranked_alike(gallery[:40], gallery, k=10, exclude=own).all()
    longer = gallery * np.linspace(0.5, 2, 300, dtype=np.float32)[:, None]
    assert ann.ranked_alike(longer[:40], longer, k=10, exclude=own).mean() < 0.2
    copies = np.repeat(rows(30), 10, axis=0)  # ties change places in any of them
    assert ann.ranked_alike(copies[:40], copies, k=10, exclude=own).all()
