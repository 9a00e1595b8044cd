"""Metrics of the order of hits against loops a child could check."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.metrics.ranking import average_precision_at_k, hit_grades, ideal_grades, ndcg, reciprocal_rank
from pipeline.metrics.retrieval import average_precision_at_r, nearest, relevant_counts

N = 40


def tied_rows(seed: int) -> np.ndarray:
    """40 rows of 12 kinds: most scores are tied."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(12, 6)).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True))[random.integers(0, 12, N)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 5, 39])
def test_the_order_of_relevant_hits_is_that_of_a_loop(seed: int, k: int) -> None:
    marks = np.random.default_rng(seed).integers(0, 15, N).astype(str)  # some have no other of their label
    itself = np.arange(N)
    hits = marks[nearest(tied_rows(seed), tied_rows(seed), k=k, exclude=itself)[1]]
    counts = relevant_counts(marks, marks, exclude=itself)
    precision, first = average_precision_at_k(hits, marks, counts, k), reciprocal_rank(hits, marks)
    for query in range(N):
        total, seen, rank_of_first = 0.0, 0, 0
        for rank in range(1, k + 1):
            if hits[query, rank - 1] == marks[query]:
                seen += 1
                total += seen / rank
                rank_of_first = rank_of_first or rank
        assert first[query] == (1 / rank_of_first if rank_of_first else 0)
        if counts[query]:
            assert precision[query] == pytest.approx(total / min(counts[query], k))
        else:
            assert math.isnan(precision[query])
    assert 0 < np.isnan(precision).sum() < N


def test_average_precision_at_k_equal_to_r_is_map_at_r() -> None:
    hits = np.random.default_rng(0).integers(0, 3, (30, 6))
    asked, counts = np.random.default_rng(1).integers(0, 3, 30), np.full(30, 6)
    assert (
        average_precision_at_k(hits, asked, counts, 6).tolist() == average_precision_at_r(hits, asked, counts).tolist()
    )


def slow_grade(i: int, j: int, marks: np.ndarray, fields: list[np.ndarray]) -> int:
    if marks[i] != marks[j]:
        return 0
    return 1 + sum(bool(field[i] == field[j]) for field in fields)


def slow_dcg(grades: list[int], k: int, gain: str) -> float:
    return sum(
        (grade if gain == "linear" else 2**grade - 1) / math.log2(rank + 1)
        for rank, grade in enumerate(grades[:k], start=1)
    )


@pytest.mark.parametrize("n_fields", [0, 1, 2, 4])
@pytest.mark.parametrize("gain", ["linear", "exponential"])
@pytest.mark.parametrize("k", [1, 7, 39])
def test_graded_ndcg_is_that_of_a_loop_over_the_whole_gallery(n_fields: int, gain: str, k: int) -> None:
    random = np.random.default_rng(n_fields)
    marks = random.integers(0, 12, N).astype(str)
    marks[0] = "alone"
    fields = [random.integers(0, 3, N).astype(str) for _ in range(n_fields)]
    pairs = [(field, field) for field in fields]
    rows, itself = tied_rows(n_fields), np.arange(N)
    hits = nearest(rows, rows, k=k, exclude=itself)[1]
    found = hit_grades(hits, marks, marks, fields=pairs)
    ideal = ideal_grades(marks, marks, k, fields=pairs, exclude=itself)
    values = ndcg(found, ideal, k, gain=gain)  # type: ignore[arg-type]
    for query in range(N):
        assert found[query].tolist() == [slow_grade(query, row, marks, fields) for row in hits[query]]
        grades = [slow_grade(query, row, marks, fields) for row in range(N) if row != query]
        assert ideal[query].tolist() == sorted(grades, reverse=True)[:k]
        best = slow_dcg(sorted(grades, reverse=True), k, gain)
        if best:
            assert values[query] == pytest.approx(slow_dcg(found[query].tolist(), k, gain) / best)
        else:
            assert math.isnan(values[query])
    assert 0 < np.isnan(values).sum() < N


def test_grades_between_two_sets_of_pictures() -> None:
    asked, held = ["a", "b", "c"], ["a", "a", "b", "a"]
    colour = (["red", "red", "red"], ["red", "blue", "blue", "red"])
    season = (["summer", "winter", "winter"], ["winter", "summer", "summer", "summer"])
    assert ideal_grades(asked, held, 4, fields=[colour, season]).tolist() == [[3, 2, 2, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    hits = np.array([[3, 2, 1], [0, 1, 2], [3, 2, 1]])
    assert hit_grades(hits, asked, held, fields=[colour, season]).tolist() == [[3, 0, 2], [0, 0, 1], [0, 0, 0]]
    assert ideal_grades(asked, held, 6).tolist()[0] == [1, 1, 1, 0, 0, 0]  # more than there are: zeros


def test_grades_3_2_1_in_reverse_have_the_known_values() -> None:
    """0.790 and 0.681: what ranx and scikit-learn say of this list."""
    found, ideal = np.array([[1, 2, 3]]), np.array([[3, 2, 1]])
    assert ndcg(found, ideal, 3)[0] == pytest.approx(0.790, abs=5e-4)
    assert ndcg(found, ideal, 3, gain="exponential")[0] == pytest.approx(0.681, abs=5e-4)


def test_a_wrong_k_or_gain_is_named() -> None:
    hits, grades = np.array([["a", "b"]]), np.array([[1, 0]])
    with pytest.raises(UsageError, match="k=3 is not between 1 and 2"):
        average_precision_at_k(hits, ["a"], np.array([1]), 3)
    with pytest.raises(UsageError, match="k=3 is not between 1 and 2"):
        ndcg(np.array([[1, 0, 0]]), grades, 3)
    with pytest.raises(UsageError, match="k=3 is not between 1 and 2"):
        ndcg(grades, np.array([[1, 0, 0]]), 3)
    with pytest.raises(UsageError, match="no gain 'cubic'; choose linear or exponential"):
        ndcg(grades, grades, 2, gain="cubic")  # type: ignore[arg-type]
