"""Many queries in one pass: the same figures as asking one by one, whatever the chunk, in bounded memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from pipeline.metrics import protocol, registry


def drawn(n: int, dim: int = 6, *, labels: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(n, dim))
    return (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32), random.integers(
        labels, size=n
    )


def ranked(query: np.ndarray, gallery: np.ndarray, leave: int) -> list[int]:
    """Gallery rows, closest first, equal ones by row."""
    scores = [float(np.float32(np.dot(query.astype(np.float64), row.astype(np.float64)))) for row in gallery]
    return sorted((row for row in range(len(gallery)) if row != leave), key=lambda row: (-scores[row], row))


def slowly(name: str, right: list[bool], scores: list[float], labels: list[int], own: int) -> float:
    relevant = sum(right)
    if not relevant:
        return math.nan
    kind, _, k = name.rpartition("_")
    if name == "mrr":
        return 1 / (1 + right.index(True))
    if name == "r_precision":
        return sum(right[:relevant]) / relevant
    if name == "map_at_r":
        return sum(sum(right[: i + 1]) / (i + 1) for i in range(relevant) if right[i]) / relevant
    k = min(int(k), len(right))
    if kind == "recall_at":
        return float(any(right[:k]))
    if kind == "precision_at":
        return sum(right[:k]) / k
    if kind == "ap_at":
        return sum(sum(right[: i + 1]) / (i + 1) for i in range(k) if right[i]) / min(k, relevant)
    if kind == "ndcg_at":
        best = sum(1 / math.log2(i + 2) for i in range(min(k, relevant)))
        return sum(1 / math.log2(i + 2) for i in range(k) if right[i]) / best
    votes: dict[int, float] = {}
    for label, score in zip(labels[:k], scores[:k], strict=True):
        votes[label] = votes.get(label, 0.0) + math.exp(score / 0.07)
    return float(max(sorted(votes), key=lambda label: votes[label]) == own)


@pytest.mark.parametrize("chunk", [3, 512])
def test_every_metric_is_what_asking_one_by_one_gives(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(protocol, "QUERIES_AT_ONCE", chunk)
    embeddings, labels = drawn(40)
    embeddings[7], labels[9] = embeddings[3], 99  # a copy, and a label with nothing to find
    found = protocol.measure(embeddings, labels, embeddings, labels, exclude=np.arange(40))
    assert list(found.values) == registry.usual()
    for row in range(40):
        order = ranked(embeddings[row], embeddings, row)
        right = [bool(labels[other] == labels[row]) for other in order]
        scores = [float(embeddings[row].astype(float) @ embeddings[other].astype(float)) for other in order]
        for name, values in found.values.items():
            wanted = slowly(name, right, scores, [int(labels[other]) for other in order], int(labels[row]))
            np.testing.assert_allclose(values[row], wanted, atol=1e-9, err_msg=f"{name} of {row}")
        assert found.hits[row].tolist() == order[:10]
        np.testing.assert_allclose(found.scores[row], scores[:10], atol=1e-6)
        assert found.counts[row] == sum(right)


def test_curves_are_the_metrics_at_each_k() -> None:
    queries, asked = drawn(15, seed=1)
    gallery, held = drawn(30, seed=2)
    names = [f"{kind}_at_{k}" for kind in ("recall", "precision") for k in (1, 4, 30)]
    found = protocol.measure(queries, asked, gallery, held, metrics=names)
    assert len(found.recall) == len(found.precision) == 30
    for name in names:
        curve = found.recall if name.startswith("recall") else found.precision
        assert curve[int(name.rpartition("_")[2]) - 1] == pytest.approx(np.nanmean(found.values[name]))


def test_what_else_agrees_grades_a_hit() -> None:
    """Two hits of the query's label; the one that agrees in colour too should come first."""
    queries, gallery = np.array([[1, 0]], np.float32), np.array([[1, 0], [0.6, 0.8]], np.float32)
    labels = np.array(["cup", "cup"])
    for colours, wanted in ((["red", "blue"], 1.0), (["blue", "red"], (1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))):
        found = protocol.measure(
            queries, labels[:1], gallery, labels, metrics=["ndcg_at_2"], fields=[(np.array(["red"]), np.array(colours))]
        )
        assert found.values["ndcg_at_2"][0] == pytest.approx(wanted)


def test_memory_stays_far_below_a_matrix_of_all_scores() -> None:
    queries, asked = drawn(2_000, 16, labels=100)
    gallery, held = drawn(20_000, 16, labels=100)
    tracemalloc.start()
    protocol.measure(queries, asked, gallery, held, metrics=["map_at_r", "recall_at_1"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.75 * 4 * len(queries) * len(gallery)
    many, labels = drawn(8_000, 16, labels=100)
    tracemalloc.start()
    protocol.measure(many, labels, gallery, held, metrics=["map_at_r", "recall_at_1"])
    assert tracemalloc.get_traced_memory()[1] < 1.1 * peak  # four times the queries
    tracemalloc.stop()


def test_memory_is_bounded_where_half_the_gallery_is_right_and_labels_are_long_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HITS_AT_ONCE", 1 << 17)
    rows, marks = drawn(4_000, 8, labels=2)
    labels = np.array([f"a label of many words, forty letters, {mark}" for mark in marks])
    tracemalloc.start()
    found = protocol.measure(
        rows[:512], labels[:512], rows, labels, exclude=np.arange(512), metrics=["map_at_r", "ndcg_at_10"]
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # 512 × 2,000 hits with their texts were 180 MB
    monkeypatch.setattr(protocol, "HITS_AT_ONCE", 1 << 30)
    whole = protocol.measure(
        rows[:512], marks[:512], rows, marks, exclude=np.arange(512), metrics=["map_at_r", "ndcg_at_10"]
    )
    for name, values in whole.values.items():
        np.testing.assert_array_equal(found.values[name], values)
