"""Cluster metrics against loops a child could check."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.metrics import clusters
from pipeline.metrics.clusters import davies_bouldin, kmeans_agreement, silhouette

LABELS = list("aaabbbbccd")  # d stands alone


def rows_of(n: int, *, kinds: int = 0, seed: int = 0) -> np.ndarray:
    """Unit rows; kinds: only so many different ones."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(kinds or n, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[random.integers(0, kinds, n)] if kinds else rows


def entropy(marks: list[str]) -> float:
    return -sum(marks.count(mark) / len(marks) * math.log(marks.count(mark) / len(marks)) for mark in set(marks))


def information(ours: list[str], theirs: list[str]) -> float:
    joint = [f"{a}{b}" for a, b in zip(ours, theirs, strict=True)]
    return entropy(ours) + entropy(theirs) - entropy(joint)


def together(marks: list[str]) -> set[tuple[int, int]]:
    return {(i, j) for i, j in combinations(range(len(marks)), 2) if marks[i] == marks[j]}


@pytest.mark.parametrize("rows", [rows_of(10), rows_of(10, kinds=4)])
def test_silhouette_is_that_of_a_loop(rows: np.ndarray) -> None:
    values = []
    for i in range(10):
        means = {}
        for label in set(LABELS):
            others = [j for j in range(10) if LABELS[j] == label and j != i]
            distances = [1 - sum(float(x) * float(y) for x, y in zip(rows[i], rows[j], strict=True)) for j in others]
            means[label] = sum(distances) / len(others) if others else math.nan
        own, other = means[LABELS[i]], min(mean for label, mean in means.items() if label != LABELS[i])
        values.append(0.0 if math.isnan(own) else (other - own) / max(own, other))
    assert silhouette(rows, LABELS, seed=0) == pytest.approx(sum(values) / 10, abs=1e-6)


@pytest.mark.parametrize("rows", [rows_of(10), rows_of(10, kinds=4)])
def test_davies_bouldin_is_that_of_a_loop(rows: np.ndarray) -> None:
    centre = {label: np.mean([rows[i] for i in range(10) if LABELS[i] == label], axis=0) for label in set(LABELS)}
    spread = {
        label: np.mean([math.dist(rows[i], centre[label]) for i in range(10) if LABELS[i] == label]) for label in centre
    }
    worst = [max((spread[a] + spread[b]) / math.dist(centre[a], centre[b]) for b in centre if b != a) for a in centre]
    assert davies_bouldin(rows, LABELS, seed=0) == pytest.approx(np.mean(worst), abs=1e-6)


def test_agreement_with_labels_is_that_of_loops() -> None:
    """Three far directions are what k-means finds; two labels are misplaced. Chance is the mean over all shufflings."""
    rows = np.eye(3, 4, dtype=np.float32)[[0, 0, 0, 1, 1, 2, 2]]
    groups, marks = list("xxxyyzz"), list("aabbbcb")
    found = kmeans_agreement(rows, marks, seed=0)
    mean_entropy = (entropy(groups) + entropy(marks)) / 2
    chance = [information(groups, list(other)) for other in permutations(marks)]
    expected = sum(chance) / len(chance)
    assert found.nmi == pytest.approx(information(groups, marks) / mean_entropy)
    assert found.ami == pytest.approx((information(groups, marks) - expected) / (mean_entropy - expected))
    shared, ours, theirs = len(together(groups) & together(marks)), len(together(groups)), len(together(marks))
    by_chance = ours * theirs / math.comb(7, 2)
    assert found.ari == pytest.approx((shared - by_chance) / ((ours + theirs) / 2 - by_chance))
    assert found.n == 7


def test_a_large_set_is_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "MAX_ROWS", 60)
    rows, marks = rows_of(300), np.random.default_rng(1).integers(0, 3, 300)
    assert kmeans_agreement(rows, marks, seed=0).n == 60
    assert kmeans_agreement(rows, marks, seed=0) == kmeans_agreement(rows, marks, seed=0)
    for metric in (silhouette, davies_bouldin):
        assert metric(rows, marks, seed=0) == metric(rows, marks, seed=0) != metric(rows, marks, seed=1)
    assert silhouette(rows, marks, sample_size=30, seed=0) != silhouette(rows, marks, seed=0)


@pytest.mark.parametrize("labels", [[], ["a"] * 5, list("abcde"), ["a"]])
def test_no_groups_are_refused(labels: list[str]) -> None:
    for metric in (silhouette, davies_bouldin, kmeans_agreement):
        with pytest.raises(UsageError, match="clusters need at least 2 labels and more rows than labels"):
            metric(rows_of(len(labels)), labels, seed=0)
