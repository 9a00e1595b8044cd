"""All metrics on the seven cases where evaluators go wrong, with values worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.metrics import clusters, intervals, ranking, retrieval, triplets, verification

NAN = math.nan


def retrieve(rows: np.ndarray, labels: Sequence[str], *, k: int, colours: Sequence[str] = ()) -> dict[str, list[float]]:
    """Every retrieval metric of every query, each asking all other rows; colours: a field that raises grades."""
    marks, itself = np.asarray(labels), np.arange(len(labels))
    scores, hits = retrieval.nearest(rows, rows, k=len(rows) - 1, exclude=itself)
    counts = retrieval.relevant_counts(marks, marks, exclude=itself)
    fields = [(colours, colours)] if colours else []
    found = ranking.hit_grades(hits, marks, marks, fields=fields)
    ideal = ranking.ideal_grades(marks, marks, k, fields=fields, exclude=itself)
    return of_hits(marks[hits], marks, counts, k=k, scores=scores) | {
        "ndcg": ranking.ndcg(found, ideal, k).tolist(),
        "ndcg_exponential": ranking.ndcg(found, ideal, k, gain="exponential").tolist(),
    }


def of_hits(
    hits: np.ndarray, asked: np.ndarray, counts: np.ndarray, *, k: int, scores: np.ndarray
) -> dict[str, list[float]]:
    values = {
        "recall_at_1": retrieval.recall_at_k(hits, asked, 1),
        "recall_at_k": retrieval.recall_at_k(hits, asked, k),
        "precision_at_k": retrieval.precision_at_k(hits, asked, k),
        "r_precision": retrieval.r_precision(hits, asked, counts),
        "average_precision_at_r": retrieval.average_precision_at_r(hits, asked, counts),
        "average_precision_at_k": ranking.average_precision_at_k(hits, asked, counts, k),
        "reciprocal_rank": ranking.reciprocal_rank(hits, asked),
        "knn_accuracy": retrieval.knn_accuracy(scores, hits, asked, k=k),
    }
    return {name: found.tolist() for name, found in values.items()}


def same(found: dict[str, list[float]], expected: dict[str, list[float]]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, nan_ok=True), name


def verify(same_scores: list[float], different_scores: list[float]) -> dict[str, float]:
    curve = verification.roc(np.array(same_scores), np.array(different_scores))
    return {
        "auc": curve.auc,
        "eer": verification.eer(curve)[0],
        "true_accepts": verification.at_false_accept(curve)[1],
        "average_precision": curve.average_precision,
    }


def group(rows: np.ndarray, labels: Sequence[str]) -> dict[str, float]:
    found = clusters.kmeans_agreement(rows, labels, seed=0)
    return {
        "silhouette": clusters.silhouette(rows, labels, seed=0),
        "davies_bouldin": clusters.davies_bouldin(rows, labels, seed=0),
        **{"ami": found.ami, "nmi": found.nmi, "ari": found.ari},
    }


def test_a_perfect_ranking_is_1_everywhere() -> None:
    rows, marks = np.repeat(np.eye(3, dtype=np.float32), 3, axis=0), list("aaabbbccc")
    found = retrieve(rows, marks, k=2)
    same(found, dict.fromkeys(found, [1.0] * 9))
    assert retrieval.map_at_r(rows, marks) == retrieval.recall_at_1(rows, marks) == 1
    three = triplets.category_triplets(marks, 20, seed=0)
    assert triplets.similarity_precision(rows, three).tolist() == [1] * 20
    everyone = {anchor: np.arange(9) for anchor in range(9)}
    assert triplets.score_at_top_k(rows, three, everyone, k=2) == (20, 20)
    assert triplets.effective_rank(rows) == pytest.approx(2)  # three corners of a triangle span a plane
    pairs = verification.draw_pairs(marks, 9, seed=0)
    same_scores, different_scores = (verification.pair_scores(rows, some).tolist() for some in pairs)
    assert (same_scores, different_scores) == ([1] * 9, [0] * 9)
    assert verify(same_scores, different_scores) == {"auc": 1, "eer": 0, "true_accepts": 1, "average_precision": 1}
    assert group(rows, marks) == pytest.approx(
        {"silhouette": 1, "davies_bouldin": 0, "ami": 1, "nmi": 1, "ari": 1}, abs=1e-6
    )


def test_a_reversed_list_has_its_relevant_hits_last() -> None:
    hits, asked = np.array([["b", "b", "a", "a"]]), np.array(["a"])
    found = of_hits(hits, asked, np.array([2]), k=4, scores=np.array([[0.9, 0.8, 0.2, 0.1]], np.float32))
    third_and_fourth = (1 / 3 + 2 / 4) / 2
    expected = {
        **{"recall_at_1": [0], "recall_at_k": [1], "precision_at_k": [0.5], "r_precision": [0]},
        **{"average_precision_at_r": [0], "average_precision_at_k": [third_and_fourth]},
        **{"reciprocal_rank": [1 / 3], "knn_accuracy": [0]},
    }
    same(found, expected)
    found_grades, ideal = np.array([[0, 0, 1, 2]]), np.array([[2, 1, 0, 0]])
    reached, best = 1 / math.log2(4) + 2 / math.log2(5), 2 + 1 / math.log2(3)
    assert ranking.ndcg(found_grades, ideal, 4).tolist() == [pytest.approx(reached / best)]
    reached, best = 1 / math.log2(4) + 3 / math.log2(5), 3 + 1 / math.log2(3)
    assert ranking.ndcg(found_grades, ideal, 4, gain="exponential").tolist() == [pytest.approx(reached / best)]
    assert verify([0.2, 0.1], [0.9, 0.8]) == pytest.approx(
        {"auc": 0, "eer": 1, "true_accepts": 0, "average_precision": third_and_fourth}
    )
    # Each direction holds one of each label: the other of its own is 1 away, the two others 1/2 on average. Of the six
    # pairs two share a label and two a direction, none both: (0 - 2/3) / (2 - 2/3). Shuffled, two of six orders agree.
    crossed, marks = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], list("abab")
    assert group(crossed, marks) == pytest.approx(
        {"silhouette": -0.5, "davies_bouldin": math.inf, "ami": -0.5, "nmi": 0, "ari": -0.5}, abs=1e-6
    )
    wrong = np.array([[0, 2, 1], [1, 3, 0]])  # the closer one is of the label, the embedding says the other
    assert triplets.similarity_precision(crossed, wrong).tolist() == [0, 0]
    assert triplets.score_at_top_k(crossed, wrong, {0: np.arange(4), 1: np.arange(4)}, k=1) == (-2, 2)


def test_all_ties_are_ranked_by_row_and_say_nothing() -> None:
    rows, marks = np.tile(np.float32([[0.6, 0.8]]), (4, 1)), list("aabb")
    # Row 0 sees a b b, row 1 the same; row 2 sees a a b, row 3 the same.
    same(
        retrieve(rows, marks, k=3),
        {
            **{"recall_at_1": [1, 1, 0, 0], "recall_at_k": [1] * 4, "precision_at_k": [1 / 3] * 4},
            **{"r_precision": [1, 1, 0, 0], "average_precision_at_r": [1, 1, 0, 0]},
            **{"average_precision_at_k": [1, 1, 1 / 3, 1 / 3], "reciprocal_rank": [1, 1, 1 / 3, 1 / 3]},
            "knn_accuracy": [0] * 4,  # two votes to one for the other label
            **{"ndcg": [1, 1, 0.5, 0.5], "ndcg_exponential": [1, 1, 0.5, 0.5]},
        },
    )
    assert retrieval.map_at_r(rows, marks) == retrieval.recall_at_1(rows, marks) == 0.5
    three = np.array([[0, 1, 2], [2, 3, 0]])
    assert triplets.precision_and_ties(triplets.similarity_precision(rows, three)) == (0.5, 1)
    assert triplets.score_at_top_k(rows, three, {0: np.arange(4), 2: np.arange(4)}, k=3) == (0, 2)
    assert triplets.effective_rank(rows) == 0
    assert verify([0.5] * 3, [0.5] * 3) == {"auc": 0.5, "eer": 0.5, "true_accepts": 0, "average_precision": 0.5}
    assert group(rows, marks) == pytest.approx(
        {"silhouette": 0, "davies_bouldin": math.inf, "ami": 0, "nmi": 0, "ari": 0}, abs=1e-6
    )


def test_more_relevant_items_than_k_leave_a_full_score_within_reach() -> None:
    hits = np.array([list("aaaaa"), list("abaaa")])
    scores = np.tile(np.float32([0.9, 0.8, 0.7, 0.6, 0.5]), (2, 1))
    found = of_hits(hits, np.array(["a", "a"]), np.array([5, 5]), k=2, scores=scores)
    second_missing = (1 + 2 / 3 + 3 / 4 + 4 / 5) / 5
    expected = {
        **{"recall_at_1": [1, 1], "recall_at_k": [1, 1], "precision_at_k": [1, 0.5], "r_precision": [1, 0.8]},
        **{"average_precision_at_r": [1, second_missing], "average_precision_at_k": [1, 0.5]},
        **{"reciprocal_rank": [1, 1], "knn_accuracy": [1, 1]},
    }
    same(found, expected)
    ideal = ranking.ideal_grades(["a", "a"], list("aaaaab"), 2)
    assert ideal.tolist() == [[1, 1], [1, 1]]
    values = ranking.ndcg(np.array([[1, 1], [1, 0]]), ideal, 2)
    assert values.tolist() == [1, pytest.approx(1 / (1 + 1 / math.log2(3)))]


def test_a_query_without_relevant_items_is_nan_and_left_out() -> None:
    rows, marks = np.eye(3, dtype=np.float32)[[0, 0, 1]], list("aab")
    found = retrieve(rows, marks, k=2)
    left_out = {"r_precision", "average_precision_at_r", "average_precision_at_k", "ndcg", "ndcg_exponential"}
    for name, values in found.items():
        assert values[2] == pytest.approx(NAN if name in left_out else 0, nan_ok=True), name
        assert intervals.interval(np.array(values[:2]), seed=0).value == (0.5 if name == "precision_at_k" else 1), name
    assert retrieval.relevant_counts(marks, marks, exclude=np.arange(3)).tolist() == [1, 1, 0]
    assert retrieval.map_at_r(rows, marks) == retrieval.recall_at_1(rows, marks) == 1
    assert all(2 not in pair for pair in verification.draw_pairs(marks, 5, seed=0)[0].tolist())


def test_a_copy_of_the_query_is_its_first_hit_and_the_query_itself_is_none() -> None:
    rows = np.float32([[1, 0], [1, 0], [0.6, 0.8], [0, 1]])
    marks, colours = list("aaab"), ["red", "red", "blue", "red"]
    # Rows 0 and 1 see a a b; row 2 sees b (0.8) before its two a (0.6); row 3 is alone.
    reached, best = 1 / math.log2(3) + 1 / math.log2(4), 1 + 1 / math.log2(3)  # row 2: both a have another colour
    same(
        retrieve(rows, marks, k=3, colours=colours),
        {
            **{"recall_at_1": [1, 1, 0, 0], "recall_at_k": [1, 1, 1, 0], "precision_at_k": [2 / 3, 2 / 3, 2 / 3, 0]},
            **{"r_precision": [1, 1, 0.5, NAN], "average_precision_at_r": [1, 1, 0.25, NAN]},
            "average_precision_at_k": [1, 1, (1 / 2 + 2 / 3) / 2, NAN],
            **{"reciprocal_rank": [1, 1, 0.5, 0], "knn_accuracy": [1, 1, 0, 0]},  # exp(0.2 / 0.07) outweighs two
            "ndcg": [1, 1, reached / best, NAN],
            "ndcg_exponential": [1, 1, reached / best, NAN],
        },
    )
    assert retrieval.map_at_r(rows, marks) == pytest.approx((1 + 1 + 0.25) / 3)
    pairs = verification.draw_pairs(marks, 3, seed=0)[0]
    assert sorted(verification.pair_scores(rows, pairs).tolist()) == pytest.approx([0.6, 0.6, 1])


def test_one_label_is_1_in_retrieval_and_no_question_elsewhere() -> None:
    rows, marks = np.eye(4, dtype=np.float32), ["a"] * 4
    found = retrieve(rows, marks, k=3)
    same(found, dict.fromkeys(found, [1.0] * 4))
    for question in (clusters.silhouette, clusters.davies_bouldin, clusters.kmeans_agreement):
        with pytest.raises(UsageError, match="at least 2 labels"):
            question(rows, marks, seed=0)
    with pytest.raises(UsageError, match="two labels"):
        verification.draw_pairs(marks, 5, seed=0)
    with pytest.raises(UsageError, match="two labels"):
        triplets.category_triplets(marks, 5, seed=0)
