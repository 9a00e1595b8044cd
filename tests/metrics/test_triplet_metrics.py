"""Triplet metrics against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.metrics.triplets import (
    category_triplets,
    draw_candidates,
    effective_rank,
    precision_and_ties,
    score_at_top_k,
    score_curve,
    score_values,
    similarity_precision,
)


def embeddings(n: int, dim: int = 4, *, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow_distance(a: np.ndarray, b: np.ndarray) -> float:
    return math.fsum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True))


def test_a_triplet_is_right_when_the_closer_one_is_closer() -> None:
    rows = embeddings(40)
    triplets = np.random.default_rng(1).permuted(np.tile(np.arange(40), (300, 1)), axis=1)[:, :3]
    values = similarity_precision(rows, triplets)
    for (anchor, closer, farther), value in zip(triplets, values, strict=True):
        assert value == (slow_distance(rows[anchor], rows[closer]) < slow_distance(rows[anchor], rows[farther]))
    assert precision_and_ties(values) == (values.mean(), 0)
    np.testing.assert_array_equal(similarity_precision(rows, triplets[:, [0, 2, 1]]), 1 - values)


def test_a_tie_counts_half_within_a_billionth_of_squared_distance() -> None:
    def at(angle: float) -> list[float]:
        return [math.cos(angle), math.sin(angle)]

    # At a quarter turn the squared distance, 2 - 2 cos, changes by twice the angle.
    rows = np.array([at(0), at(math.pi / 2), at(math.pi / 2 + 0.4e-9), at(math.pi / 2 + 0.6e-9), at(math.pi / 2)])
    triplets = np.array([[0, 1, 2], [0, 1, 3], [0, 3, 1], [0, 1, 4], [0, 1, 1]])
    values = similarity_precision(rows, triplets)
    assert values.tolist() == [0.5, 1, 0, 0.5, 0.5]
    assert precision_and_ties(values) == (0.5, 0.6)


def test_the_best_and_the_worst_embedding_score_1_and_0() -> None:
    rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    triplets = category_triplets(np.repeat([0, 1, 2], 4), 100, seed=0)
    assert precision_and_ties(similarity_precision(rows, triplets)) == (1, 0)
    assert precision_and_ties(similarity_precision(rows, triplets[:, [0, 2, 1]])) == (0, 0)
    assert precision_and_ties(similarity_precision(np.ones_like(rows), triplets)) == (0.5, 1)
    assert all(math.isnan(value) for value in precision_and_ties(similarity_precision(rows, triplets[:0])))


@pytest.mark.parametrize("kinds", [60, 12])  # with 12 different pictures most scores are tied
@pytest.mark.parametrize("k", [1, 5, 30])
def test_the_score_counts_only_triplets_that_reach_the_first_k(kinds: int, k: int) -> None:
    random = np.random.default_rng(k)
    rows = embeddings(kinds)[random.integers(0, kinds, 60)]
    candidates = {anchor: random.choice(60, 40, replace=False) for anchor in range(10)}
    triplets = np.array(
        [
            [anchor, *random.choice(np.setdiff1d(candidates[anchor], [anchor]), 2, replace=False)]
            for anchor in random.integers(0, 10, 200)
        ]
    )
    score = size = 0
    for anchor, closer, farther in triplets.tolist():
        d = {i: slow_distance(rows[anchor], rows[i]) for i in candidates[anchor].tolist() if i != anchor}
        rank = {i: 1 + sum((round(d[j], 6), j) < (round(d[i], 6), i) for j in d) for i in (closer, farther)}
        if min(rank.values()) <= k:
            size += 1
            score += 0 if (rows[closer] == rows[farther]).all() else 1 if d[closer] < d[farther] else -1
    assert score_at_top_k(rows, triplets, candidates, k=k) == (score, size)
    assert size > 0
    scores, sizes = score_curve(rows, triplets, candidates, k=30)
    assert (scores[k - 1], sizes[k - 1]) == (score, size)
    assert score_values(rows, triplets, candidates, k=k).sum() == score


def test_an_anchor_without_candidates_is_named() -> None:
    with pytest.raises(UsageError, match="no candidates for the anchor 2"):
        score_at_top_k(embeddings(5), np.array([[2, 0, 1]]), {})


def test_candidates_are_so_many_of_the_label_and_so_many_others() -> None:
    labels = np.repeat(["a", "b", "c"], [30, 5, 1])
    found = draw_candidates(labels, np.array([0, 0, 31, 35]), same=10, others=6, seed=0)
    assert sorted(found) == [0, 31, 35]
    for anchor, alike in ((0, 10), (31, 4), (35, 0)):
        rows = found[anchor]
        assert anchor not in rows
        assert len(set(rows.tolist())) == len(rows) == alike + 6
        assert sum(labels[row] == labels[anchor] for row in rows) == alike


def test_category_triplets_hold_two_of_one_label_and_one_of_another_each_as_often() -> None:
    labels = np.array(["b", "a", "c", "a", "b", "a"])
    triplets = category_triplets(labels, 30_000, seed=0)
    able = [
        (a, p, n)
        for a in range(6)
        for p in range(6)
        for n in range(6)
        if a != p and labels[a] == labels[p] and labels[n] != labels[a]
    ]
    drawn = dict.fromkeys(able, 0)
    for triplet in triplets.tolist():
        drawn[tuple(triplet)] += 1
    for (anchor, _, _), count in drawn.items():
        ways = sum(a == anchor for a, _, _ in able)
        expected = 30_000 / 5 / ways  # five pictures have another of their label
        assert abs(count - expected) < 5 * math.sqrt(expected)
    np.testing.assert_array_equal(triplets, category_triplets(labels, 30_000, seed=0))


@pytest.mark.parametrize("labels", [["a", "a"], ["a", "b", "c"], []])
def test_labels_that_allow_no_category_triplet_are_refused(labels: list[str]) -> None:
    with pytest.raises(UsageError, match="two labels, one of them with two pictures"):
        category_triplets(labels, 5, seed=0)


def test_the_effective_rank_counts_directions() -> None:
    corners = np.concatenate([np.eye(5), -np.eye(5)])
    assert effective_rank(corners) == pytest.approx(5)
    assert effective_rank(np.array([[1, 1, 0], [-1, -1, 0]])) == pytest.approx(1)
    assert effective_rank(np.tile(embeddings(1), (9, 1))) == 0
    uneven = np.array([[2, 0], [-2, 0], [0, 1], [0, -1]])  # variances 2 and 1/2
    assert effective_rank(uneven) == pytest.approx(math.exp(-0.8 * math.log(0.8) - 0.2 * math.log(0.2)))
    assert effective_rank(embeddings(5000, 16)) > 15.8
