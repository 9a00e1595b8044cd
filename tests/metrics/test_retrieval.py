"""Retrieval metrics against loops a child could check, and on the cases where evaluators go wrong."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.metrics import retrieval
from pipeline.metrics.retrieval import (
    average_precision_at_r,
    knn_accuracy,
    map_at_r,
    map_at_r_between,
    nearest,
    precision_at_k,
    r_precision,
    recall_at_1,
    recall_at_k,
    relevant_counts,
)


def embeddings(n: int, dim: int = 8, *, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def copies(n: int, dim: int, *, kinds: int, seed: int = 0) -> np.ndarray:
    """n rows, but only `kinds` different ones: most scores are tied."""
    return embeddings(kinds, dim, seed=seed)[np.random.default_rng(seed).integers(0, kinds, n)]


def slow_ranks(query: np.ndarray, gallery: np.ndarray, itself: int = -1) -> list[int]:
    scores = [
        float(np.float32(math.fsum(float(a) * float(b) for a, b in zip(query, row, strict=True)))) for row in gallery
    ]
    return sorted((i for i in range(len(gallery)) if i != itself), key=lambda i: (-scores[i], i))


def slow_average_precision_at_r(hits: list[bool], r: int) -> float:
    return sum(sum(hits[: rank + 1]) / (rank + 1) for rank in range(r) if hits[rank]) / r


@pytest.mark.parametrize("rows", [embeddings(60), copies(60, 8, kinds=5), copies(60, 8, kinds=1)])
@pytest.mark.parametrize("k", [1, 7, 59])
@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_the_nearest_are_those_of_a_loop_in_any_chunk(rows: np.ndarray, k: int, chunk: int) -> None:
    scores, found = nearest(rows, rows, k=k, exclude=np.arange(60), chunk=chunk)
    for query in range(60):
        assert found[query].tolist() == slow_ranks(rows[query], rows, query)[:k]
        np.testing.assert_allclose(scores[query], rows[found[query]] @ rows[query], atol=1e-6)
    assert scores.dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 1000, 1003, 1023])
@pytest.mark.parametrize("kinds", [3, 5000])
def test_the_nearest_are_those_of_a_full_sort_wherever_they_stand(n: int, kinds: int) -> None:
    """Where rows fall into groups, some are left over; the best may stand there, or all in one group."""
    gallery = copies(n, 8, kinds=kinds, seed=1)
    for rows in (gallery, gallery[np.argsort(gallery[:, 0])]):
        for k in {1, min(n, 40), n}:
            scores = (rows.astype(np.float64) @ embeddings(1).astype(np.float64)[0]).astype(np.float32)
            assert nearest(embeddings(1), rows, k=k)[1][0].tolist() == np.argsort(-scores, kind="stable")[:k].tolist()


@pytest.mark.parametrize(("queries", "n", "dim"), [(1, 9999, 64), (2, 25, 128), (41, 1001, 129)])
def test_equal_pictures_come_in_the_order_they_stand(queries: int, n: int, dim: int) -> None:
    """A plain float32 product fails here: its last bit depends on the row's place."""
    _, found = nearest(embeddings(queries, dim), np.tile(embeddings(1, dim, seed=1), (n, 1)), k=20)
    assert (found == np.arange(20)).all()


def test_ties_at_the_last_place_go_to_the_lowest_row() -> None:
    gallery = np.array([[0, 1], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]], np.float32)
    scores, found = nearest(np.array([[1, 0]], np.float32), gallery, k=4)
    assert found.tolist() == [[1, 4, 0, 2]]
    assert scores.tolist() == [[1, 1, 0, 0]]


def test_the_query_is_left_out_by_its_row_and_its_duplicate_stays() -> None:
    rows = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    _, found = nearest(rows, rows, k=2, exclude=np.arange(3))
    assert found.tolist() == [[1, 2], [0, 2], [0, 1]]
    _, some = nearest(rows, rows, k=1, exclude=np.array([-1, 1, -1]))
    assert some.tolist() == [[0], [0], [2]]
    assert recall_at_1(rows, ["a", "b", "a"]) == 0.5  # row 0 finds its copy, of label b; row 2 finds row 0


def test_more_hits_than_the_gallery_has_are_refused() -> None:
    rows = embeddings(5)
    assert nearest(rows, rows, k=5)[1].shape == (5, 5)
    with pytest.raises(UsageError, match=r"k=5 is not between 1 and 4"):
        nearest(rows, rows, k=5, exclude=np.arange(5))
    with pytest.raises(UsageError, match=r"k=0 is not between"):
        nearest(rows, rows, k=0)
    with pytest.raises(UsageError, match="not finite"):
        nearest(rows, np.full((3, 8), np.nan, np.float32), k=1)


def test_without_queries_there_are_no_hits() -> None:
    scores, found = nearest(embeddings(0), embeddings(4), k=2)
    assert scores.shape == found.shape == (0, 2)


def test_a_perfect_ranking_has_1_everywhere() -> None:
    rows = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    marks = np.repeat(["a", "b", "c", "d"], 5)
    scores, found = nearest(rows, rows, k=4, exclude=np.arange(20))
    hits, counts = marks[found], relevant_counts(marks, marks, exclude=np.arange(20))
    assert (counts == 4).all()
    assert map_at_r(rows, marks) == recall_at_1(rows, marks) == 1
    for values in (
        *(recall_at_k(hits, marks, 1), recall_at_k(hits, marks, 4), precision_at_k(hits, marks, 4)),
        *(r_precision(hits, marks, counts), average_precision_at_r(hits, marks, counts)),
        knn_accuracy(scores, hits, marks, k=4),
    ):
        assert values.tolist() == [1] * 20


def test_a_reversed_list_has_the_values_worked_out_by_hand() -> None:
    hits = np.array([["b", "b", "a", "a"], ["b", "a", "b", "a"]])
    asked, counts = ["a", "a"], np.array([2, 3])
    assert recall_at_k(hits, asked, 1).tolist() == [0, 0]
    assert recall_at_k(hits, asked, 2).tolist() == [0, 1]
    assert precision_at_k(hits, asked, 4).tolist() == [0.5, 0.5]
    assert r_precision(hits, asked, counts).tolist() == [0, pytest.approx(1 / 3)]
    assert average_precision_at_r(hits, asked, counts).tolist() == [0, pytest.approx(1 / 2 / 3)]


def test_more_relevant_items_than_k_do_not_lower_precision_at_k() -> None:
    hits = np.array([["a", "a", "b"]])
    assert precision_at_k(hits, ["a"], 2).tolist() == [1]
    assert recall_at_k(hits, ["a"], 2).tolist() == [1]
    with pytest.raises(UsageError, match=r"k=50 is not between 1 and 3"):
        r_precision(hits, ["a"], np.array([50]))


def test_a_query_without_relevant_items_is_left_out() -> None:
    hits, counts = np.array([["b", "b"], ["b", "a"]]), np.array([0, 1])
    for metric in (r_precision, average_precision_at_r):
        values = metric(hits, ["a", "b"], counts)
        assert math.isnan(values[0])
        assert values[1] == 1
    assert math.isnan(map_at_r(np.empty((0, 4), np.float32), []))
    assert math.isnan(map_at_r_between(embeddings(3), ["x", "y", "z"], embeddings(4), ["a", "a", "b", "b"]))


def test_one_label_has_1_and_all_ties_follow_the_rows() -> None:
    assert map_at_r(embeddings(30), ["a"] * 30) == pytest.approx(1)
    same = np.tile(embeddings(1), (6, 1))
    marks = ["a", "a", "b", "b", "b", "a"]
    truth = []
    for query in range(6):
        hits = [marks[i] == marks[query] for i in range(6) if i != query]
        truth.append(slow_average_precision_at_r(hits, sum(hits)))
    assert map_at_r(same, marks) == pytest.approx(sum(truth) / 6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("step", [1, 50, 1 << 22])
def test_map_at_r_between_two_sets_is_that_of_a_loop(seed: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "SCORES_AT_ONCE", step)
    random = np.random.default_rng(seed)
    queries, gallery = embeddings(20, seed=seed), copies(45, 8, kinds=20, seed=seed + 9)
    asked, held = random.integers(0, 6, 20), random.integers(1, 7, 45)
    truth, found, counts = [], nearest(queries, gallery, k=45)[1], relevant_counts(asked, held)
    for query in range(20):
        hits = [held[i] == asked[query] for i in slow_ranks(queries[query], gallery)]
        assert counts[query] == sum(hits)
        if any(hits):
            truth.append(slow_average_precision_at_r(hits, sum(hits)))
            assert r_precision(held[found], asked, counts)[query] == pytest.approx(sum(hits[: sum(hits)]) / sum(hits))
    assert map_at_r_between(queries, asked, gallery, held) == pytest.approx(sum(truth) / len(truth))
    assert map_at_r_between(queries, asked.astype(str), gallery, held.astype(str)) == pytest.approx(np.mean(truth))
    assert 0 < len(truth) < 20


def test_neighbours_vote_with_the_exponential_of_their_score() -> None:
    random = np.random.default_rng(3)
    scores = np.sort(random.uniform(-1, 1, (50, 20)).astype(np.float32), axis=1)[:, ::-1]
    hits, asked = random.integers(0, 4, (50, 20)), random.integers(0, 4, 50)
    for k in (1, 5, 20):
        right = knn_accuracy(scores, hits, asked, k=k)
        for query in range(50):
            votes = dict.fromkeys(range(4), 0.0)
            for score, label in zip(scores[query, :k], hits[query, :k], strict=True):
                votes[int(label)] += math.exp(float(score) / 0.07)
            assert right[query] == (max(votes, key=lambda label: votes[label]) == asked[query])
    assert 0 < right.mean() < 1


def test_equal_votes_elect_the_smallest_label() -> None:
    scores, hits = np.ones((3, 2), np.float32), np.array([["b", "a"]] * 3)
    assert knn_accuracy(scores, hits, ["a", "b", "c"], k=2).tolist() == [1, 0, 0]
    assert knn_accuracy(scores, hits, ["a", "b", "c"], k=1).tolist() == [0, 1, 0]


def test_thousands_of_rows_never_need_the_whole_table_of_scores() -> None:
    rows, marks = embeddings(5000, 16), np.random.default_rng(0).integers(0, 100, 5000)
    tracemalloc.start()
    map_at_r(rows, marks)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 75e6  # the table alone would be 100 MB, its order 200 MB more


def test_a_second_library_says_the_same() -> None:
    calculators = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    import torch

    rows, marks = embeddings(120, 16), np.random.default_rng(0).integers(0, 7, 120)
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    calculator = calculators.AccuracyCalculator(include=names, k=None)
    said = calculator.get_accuracy(torch.from_numpy(rows), torch.from_numpy(marks))
    found, itself = nearest(rows, rows, k=119, exclude=np.arange(120))[1], np.arange(120)
    ours = r_precision(marks[found], marks, relevant_counts(marks, marks, exclude=itself)).mean()
    assert said["precision_at_1"] == pytest.approx(recall_at_1(rows, marks), abs=1e-6)
    assert said["r_precision"] == pytest.approx(ours, abs=1e-6)
    assert said["mean_average_precision_at_r"] == pytest.approx(map_at_r(rows, marks), abs=1e-6)
