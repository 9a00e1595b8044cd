"""What every re-ranker promises. A new file in pipeline/rerank is tested here without an edit."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.rerank import Reranker

NAMES = plugins.available("rerank")
BAD = {
    "query_expansion": ("neighbours=0", "neighbours=101", "alpha=-1", "share=2"),
    "k_reciprocal": ("depth=9", "k=0", "expanded=21", "share=1.5", "depth=10,k=11"),
    "database_augmentation": ("depth=9", "neighbours=0", "neighbours=101", "share=1.1"),
    "diverse": ("share=-0.1", "depth=1001"),
    "patches": ("depth=9", "depth=501", "grid=0", "share=1.1"),
    "geometric": ("depth=9", "depth=1001", "count=49", "count=2001"),
}


def built(name: str) -> Reranker:
    if install := plugins.missing("rerank", name):
        pytest.skip(install)
    reranker: Reranker = plugins.build("rerank", name)
    return reranker


@functools.cache
def groups(n: int = 60, dim: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, dim) in three groups that share a large mean, and the group of each."""
    random = np.random.default_rng(1)
    marks = np.arange(n) % 3
    rows = 2.0 + random.normal(size=(3, dim))[marks] + 0.5 * random.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), marks


def asked(reranker: Reranker, query: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The direction and the order, hits found by comparing every row."""
    mean = rows.mean(axis=0)
    direction = reranker.direction(query, mean, lambda way, n: rows[np.argsort(-(rows @ way), kind="stable")[:n]])
    closest = np.argsort(-(rows @ direction), kind="stable")
    return direction, closest[reranker.order(direction, mean, rows[closest])]


@pytest.mark.parametrize("name", NAMES)
def test_every_hit_stays_once_and_the_query_is_not_changed(name: str) -> None:
    rows, _ = groups()
    query = rows[0].copy()
    direction, order = asked(built(name), query, rows[1:])
    assert sorted(order) == list(range(len(rows) - 1))
    assert abs(float(np.linalg.norm(direction)) - 1) < 1e-5
    np.testing.assert_array_equal(query, rows[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_hits_are_enough(name: str, count: int) -> None:
    rows, _ = groups()
    direction, order = asked(built(name), rows[0], rows[1:][:count].reshape(count, -1)) if count else (
        None,
        built(name).order(rows[0], rows[0], rows[:0]),
    )  # fmt: skip
    assert sorted(order) == list(range(count))
    assert direction is None or np.isfinite(direction).all()


@pytest.mark.parametrize("name", NAMES)
def test_pictures_that_are_all_equal_are_no_fault(name: str) -> None:
    rows = np.tile(groups()[0][:1], (12, 1))
    direction, order = asked(built(name), rows[0], rows)
    assert np.isfinite(direction).all()
    assert sorted(order) == list(range(12))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "diverse"])
def test_the_query_s_own_group_stays_first(name: str) -> None:
    rows, marks = groups()
    _, order = asked(built(name), rows[0], rows[1:])
    assert (marks[1:][order[:10]] == marks[0]).mean() >= 0.9


@pytest.mark.parametrize(("name", "options"), [(name, options) for name, many in BAD.items() for options in many])
def test_an_option_out_of_range_is_refused(name: str, options: str) -> None:
    built(name)
    with pytest.raises(UsageError, match="choose"):
        plugins.build("rerank", f"{name}:{options}")


def test_the_next_of_a_diverse_answer_is_what_a_loop_over_all_would_take() -> None:
    rows, _ = groups()
    query, hits = rows[0], rows[1:21]
    _, order = asked(plugins.build("rerank", "diverse:share=0.6"), query, hits)
    taken: list[int] = []
    for _ in hits:
        worth = {
            i: 0.6 * float(hits[i] @ query) - 0.4 * max((float(hits[i] @ hits[j]) for j in taken), default=0.0)
            for i in range(len(hits))
            if i not in taken
        }
        taken.append(max(worth, key=lambda i: worth[i]))
    assert list(order) == taken


def test_an_expanded_query_is_the_weighted_mean_that_a_loop_makes() -> None:
    rows, _ = groups()
    mean = rows[1:].mean(axis=0)

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / sum(float(x) ** 2 for x in vector) ** 0.5

    query = unit(rows[0] - mean)
    first = sorted(range(1, len(rows)), key=lambda i: (-float(rows[i] @ query), i))[:4]
    along = np.zeros(len(query))
    for i in first:
        row = unit(rows[i] - mean)
        along += max(float(row @ query), 0.0) ** 2 * row
    direction, _ = asked(plugins.build("rerank", "query_expansion:neighbours=4,alpha=2,share=0.3"), rows[0], rows[1:])
    np.testing.assert_allclose(direction, unit(0.7 * query + 0.3 * unit(along)), atol=1e-5)


def test_augmented_hits_are_in_the_order_that_a_loop_gives_them() -> None:
    rows, _ = groups()
    mean = rows[1:].mean(axis=0)

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / sum(float(x) ** 2 for x in vector) ** 0.5

    query = unit(rows[0] - mean)
    hits = [unit(row - mean) for row in sorted(rows[1:], key=lambda row: -float(row @ query))]
    augmented = []
    for i, hit in enumerate(hits):
        near = sorted((j for j in range(len(hits)) if j != i), key=lambda j: -float(hits[j] @ hit))[:3]
        along = unit(sum(max(float(hits[j] @ hit), 0.0) * hits[j] for j in near))  # type: ignore[arg-type]
        augmented.append(unit(0.6 * hit + 0.4 * along))
    along = unit(sum(max(float(one @ query), 0.0) * one for one in augmented[:3]))  # type: ignore[arg-type]
    wanted = sorted(range(len(hits)), key=lambda i: -float(augmented[i] @ unit(0.6 * query + 0.4 * along)))
    reranker = plugins.build("rerank", "database_augmentation:neighbours=3,share=0.4")
    closest = np.argsort(-(rows[1:] @ query), kind="stable")
    _, order = asked(reranker, rows[0], rows[1:])
    assert list(order) == list(closest[wanted])
