"""Verification against loops over all thresholds and all pairs, ties included, and against scikit-learn."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from pipeline.errors import UsageError
from pipeline.metrics.verification import (
    at_false_accept,
    draw_pairs,
    draw_pairs_between,
    eer,
    pair_scores,
    roc,
)

LABELS = np.array(["a", "b", "a", "c", "b", "a", "d"])  # 3 + 1 same pairs, 17 different ones


def scores(seed: int, *, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Of same and different pairs, overlapping; few steps give many ties."""
    random = np.random.default_rng(seed)
    same, different = random.normal(0.6, 0.2, 40), random.normal(0.4, 0.2, 70)
    return np.round(same * steps) / steps, np.round(different * steps) / steps


@pytest.mark.parametrize("n", [1, 3, 4, 100])
def test_pairs_are_of_two_rows_and_never_come_twice(n: int) -> None:
    same, different = draw_pairs(LABELS, n, seed=n)
    assert same.shape == different.shape == (min(n, 4), 2)
    assert (LABELS[same[:, 0]] == LABELS[same[:, 1]]).all()
    assert (LABELS[different[:, 0]] != LABELS[different[:, 1]]).all()
    every = [frozenset(pair) for pair in [*same.tolist(), *different.tolist()]]
    assert all(len(pair) == 2 for pair in every)
    assert len(set(every)) == len(every)
    assert [pairs.tolist() for pairs in draw_pairs(LABELS, n, seed=n)] == [same.tolist(), different.tolist()]


def test_each_pair_is_as_likely_as_any_other_of_its_kind() -> None:
    drawn: Counter[frozenset[int]] = Counter()
    for seed in range(2000):
        for pairs in draw_pairs(LABELS, 1, seed=seed):
            drawn[frozenset(pairs[0].tolist())] += 1
    for pair in combinations(range(len(LABELS)), 2):
        expected = 2000 / (4 if LABELS[pair[0]] == LABELS[pair[1]] else 17)
        assert abs(drawn[frozenset(pair)] - expected) < 5 * math.sqrt(expected)


@pytest.mark.parametrize("n", [1, 4, 100])
def test_pairs_between_two_sides_are_all_that_there_are_each_once_and_evenly(n: int) -> None:
    asked, held = ["b", "a", "z"], list(LABELS)
    every = [(query, row) for query in range(3) for row in range(len(held))]
    alike = {pair for pair in every if asked[pair[0]] == held[pair[1]]}
    assert len(alike) == 5
    counts: Counter[tuple[int, int]] = Counter()
    for seed in range(500):
        same, different = ([*map(tuple, pairs.tolist())] for pairs in draw_pairs_between(asked, held, n, seed=seed))
        assert len(same) == len(different) == min(n, 5)
        assert len({*same, *different}) == 2 * min(n, 5)
        assert {*same} <= alike
        assert not {*different} & alike
        counts.update([*same, *different])
    assert set(counts) == set(every)
    for pair in every:
        expected = 500 * min(n, 5) / (5 if pair in alike else 16)
        assert abs(counts[pair] - expected) < 5 * math.sqrt(expected)
    itself = np.array([1, -1, 3])  # the last is known there by another label
    same, _ = draw_pairs_between(asked, held, 100, seed=0, exclude=itself)
    assert {*map(tuple, same.tolist())} == alike - {(0, 1)}
    for seed in range(20):
        assert [2, 3] not in draw_pairs_between(asked, held, 100, seed=seed, exclude=itself)[1].tolist()
    with pytest.raises(UsageError, match="that some queries and gallery rows share"):
        draw_pairs_between(["z"], held, 5, seed=0)


@pytest.mark.parametrize(("labels", "n"), [(["a", "a"], 5), (["a", "b", "c"], 5), ([], 5), (["a", "a", "b"], 0)])
def test_no_pairs_of_one_kind_are_refused(labels: list[str], n: int) -> None:
    with pytest.raises(UsageError, match="pairs need n of at least 1 and two labels"):
        draw_pairs(labels, n, seed=0)


def test_the_score_of_a_pair_is_its_cosine_and_copies_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.metrics.verification.AT_ONCE", 3)
    rows = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[5] = rows[1]
    pairs = np.array([[0, 1], [0, 5], [2, 3], [5, 0], [4, 4]])
    found = pair_scores(rows, pairs)
    np.testing.assert_array_equal(pair_scores(rows[:5], pairs[[0, 2]], rows), found[[0, 2]])
    for (i, j), score in zip(pairs, found, strict=True):
        assert score == pytest.approx(sum(float(a) * float(b) for a, b in zip(rows[i], rows[j], strict=True)), abs=1e-6)
    assert found[0] == found[1] == found[3]
    assert found.dtype == np.float32


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [10, 10_000_000])
def test_curve_and_areas_are_those_of_loops(seed: int, steps: int) -> None:
    same, different = scores(seed, steps=steps)
    curve = roc(same, different)
    assert curve.thresholds[0] == math.inf
    assert curve.thresholds[1:].tolist() == sorted({*same.tolist(), *different.tolist()}, reverse=True)
    precision, before = 0.0, 0.0
    for i, threshold in enumerate(curve.thresholds):
        right = sum(score >= threshold for score in same.tolist())
        wrong = sum(score >= threshold for score in different.tolist())
        assert (curve.true_accept_rate[i], curve.false_accept_rate[i]) == (right / 40, wrong / 70)
        if right + wrong:
            precision += (right / 40 - before) * right / (right + wrong)
        before = right / 40
    couples = [1.0 if a > b else 0.5 if a == b else 0.0 for a in same.tolist() for b in different.tolist()]
    assert curve.auc == pytest.approx(sum(couples) / len(couples))
    assert curve.average_precision == pytest.approx(precision)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [10, 10_000_000])
def test_scikit_learn_says_the_same_with_ties_too(seed: int, steps: int) -> None:
    same, different = scores(seed, steps=steps)
    curve, truth, every = roc(same, different), [1] * 40 + [0] * 70, np.concatenate([same, different])
    false_accepts, true_accepts, thresholds = roc_curve(truth, every, drop_intermediate=False)
    np.testing.assert_allclose(curve.thresholds, thresholds)
    np.testing.assert_allclose(curve.false_accept_rate, false_accepts)
    np.testing.assert_allclose(curve.true_accept_rate, true_accepts)
    assert curve.auc == pytest.approx(roc_auc_score(truth, every), abs=1e-12)
    assert curve.average_precision == pytest.approx(average_precision_score(truth, every), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [10, 10_000_000])
def test_at_the_equal_error_rate_as_many_are_wrongly_accepted_as_refused(seed: int, steps: int) -> None:
    """A walk along the curve in small steps ends where wrongly accepted catches up with wrongly refused."""
    curve = roc(*scores(seed, steps=steps))
    points = list(zip(curve.thresholds, curve.false_accept_rate, 1 - curve.true_accept_rate, strict=True))
    walk = []
    for (t0, accepted0, refused0), (t1, accepted1, refused1) in pairwise(points[1:]):
        for part in np.arange(1000) / 1000:
            accepted, refused = accepted0 + part * (accepted1 - accepted0), refused0 + part * (refused1 - refused0)
            walk.append((t0 + part * (t1 - t0), accepted, refused))
    threshold, accepted, refused = next(here for here in walk if here[1] >= here[2])
    assert eer(curve) == (pytest.approx(accepted, abs=1e-3), pytest.approx(threshold, abs=1e-3))
    assert accepted == pytest.approx(refused, abs=1e-3)


def test_the_equal_error_rate_lies_between_two_points() -> None:
    # accepted from 0.8: 2 of 4 same, 0 of 4 different; from 0.4: 3 of 4 and 2 of 4. Refused falls from 1/2 to 1/4 while
    # accepted rises from 0 to 1/2: they meet after 2/3 of the way.
    curve = roc(np.array([0.9, 0.8, 0.4, 0.1]), np.array([0.4, 0.4, 0.2, 0.1]))
    assert eer(curve) == (pytest.approx(1 / 3), pytest.approx(0.8 - 2 / 3 * 0.4))


@pytest.mark.parametrize("rate", [0, 1e-3, 0.1, 0.5, 1])
def test_the_threshold_for_a_false_accept_rate_is_the_lowest_that_keeps_it(rate: float) -> None:
    same, different = scores(0, steps=100)
    best = (math.inf, 0.0)
    for threshold in sorted({*same.tolist(), *different.tolist()}, reverse=True):
        if sum(score >= threshold for score in different.tolist()) / 70 <= rate:
            best = (threshold, sum(score >= threshold for score in same.tolist()) / 40)
    assert at_false_accept(roc(same, different), rate=rate) == best


def test_what_is_no_curve_is_refused() -> None:
    with pytest.raises(UsageError, match="one of the two is empty"):
        roc(np.array([]), np.array([0.5]))
    with pytest.raises(UsageError, match="not finite"):
        roc(np.array([np.nan]), np.array([0.5]))
    with pytest.raises(UsageError, match="rate of 2 is not between 0 and 1"):
        at_false_accept(roc(np.array([0.6]), np.array([0.5])), rate=2)
