"""What every index promises. A new file in pipeline/indexes is tested here without an edit."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline import plugins
from pipeline.records import AnnIndex

pytest_plugins = ("milvus_server",)

SPECS = [spec for name in plugins.available("indexes") for spec in plugins.usual("indexes", name)]
EXACT = {"brute_force:engine=numpy", "brute_force:engine=faiss", "kd_tree", "ball_tree", "milvus:index=FLAT"}
LEAST = {"faiss_ivf_pq": 0.3}  # codes of a few bytes; the others must find nine of ten with their last setting
K = 10


@functools.cache
def clustered(n: int = 600, dim: int = 32) -> np.ndarray:
    """(n, dim) float32 of unit length around 20 centres."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(20, dim))[np.arange(n) % 20] + 0.6 * random.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def nearest(query: np.ndarray, rows: np.ndarray, k: int) -> list[int]:
    """The slow way: one cosine at a time."""
    scored = [(-sum(float(a) * float(b) for a, b in zip(query, row, strict=True)), at) for at, row in enumerate(rows)]
    return [at for _, at in sorted(scored)[:k]]


@contextlib.contextmanager
def made(spec: str, rows: np.ndarray) -> Iterator[AnnIndex]:
    with contextlib.closing(plugins.build("indexes", spec)) as index:
        index.add(rows)
        yield index


@pytest.fixture(params=SPECS)
def spec(request: pytest.FixtureRequest) -> str:
    if install := plugins.missing("indexes", plugins.parse(request.param)[0]):
        pytest.skip(install)
    return request.param


def test_the_nearest_are_found_best_first_with_their_cosines(spec: str) -> None:
    rows, queries = clustered(), clustered()[:30]
    with made(spec, rows) as index:
        scores, found = index.search(queries, k=K)
    assert (scores.shape, found.shape, scores.dtype, found.dtype) == ((30, K), (30, K), np.float32, np.int64)
    right = sum(len(set(found[at]) & set(nearest(query, rows, K))) for at, query in enumerate(queries))
    assert right / (30 * K) >= (1.0 if spec in EXACT else LEAST.get(spec, 0.9))
    true = (rows[found] * queries[:, None]).sum(axis=2)
    within = 0.2 if spec == "faiss_ivf_pq" else 0.02 if "sq" in spec.lower() else 1e-4
    np.testing.assert_allclose(scores, true, atol=within)
    assert (np.diff(scores, axis=1) <= 1e-6).all()


WITH_METRIC = [
    spec
    for spec in SPECS
    if any(option.name == "metric" for option in plugins.options("indexes", plugins.parse(spec)[0]))
]


@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
@pytest.mark.parametrize("spec", WITH_METRIC)
def test_by_another_metric_the_same_are_found_with_the_same_cosines(spec: str, metric: str) -> None:
    if install := plugins.missing("indexes", plugins.parse(spec)[0]):
        pytest.skip(install)
    rows, queries = clustered(), clustered()[:30]
    with made(f"{spec}{',' if ':' in spec else ':'}metric={metric}", rows) as index:
        scores, found = index.search(queries, k=K)
    right = sum(len(set(found[at]) & set(nearest(query, rows, K))) for at, query in enumerate(queries))
    assert right / (30 * K) >= (1.0 if spec in EXACT else LEAST.get(spec, 0.9))
    compressed = spec in ("faiss_sq8", "milvus:index=IVF_SQ8", "milvus:index=HNSW_SQ")  # their scores are of codes
    true = (rows[found] * queries[:, None]).sum(axis=2)
    np.testing.assert_allclose(scores, true, atol=0.02 if compressed else 1e-4)


def test_every_setting_of_the_sweep_can_be_set_and_the_last_finds_no_less_than_the_first(spec: str) -> None:
    rows, queries = clustered(), clustered()[:30]
    exact = [set(nearest(query, rows, K)) for query in queries]
    with made(spec, rows) as index:
        right = []
        for settings in index.sweep:
            index.tune(**settings)
            found = index.search(queries, k=K)[1]
            right.append(sum(len(set(row) & best) for row, best in zip(found, exact, strict=True)))
        assert right[-1] >= right[0]
        assert index.grows in ("linear", "root", "log")


def test_a_query_alone_and_among_others_finds_the_same(spec: str) -> None:
    with made(spec, clustered()) as index:
        together = index.search(clustered()[:5], k=K)[1]
        alone = np.concatenate([index.search(query[None], k=K)[1] for query in clustered()[:5]])
    assert (together == alone).mean() > 0.95  # equal scores may change places


def test_more_hits_than_rows_are_padded(spec: str) -> None:
    with made(spec, clustered(7)) as index:
        scores, found = index.search(clustered(7)[:3], k=20)
    assert found.shape == (3, 20)
    for at in range(3):
        there = found[at][found[at] >= 0]
        assert len(set(there)) == len(there) <= 7
        assert at in there
        assert (found[at][len(there) :] == -1).all()
        assert np.isneginf(scores[at][len(there) :]).all()
        assert np.isfinite(scores[at][: len(there)]).all()


def test_a_single_row_is_found(spec: str) -> None:
    with made(spec, clustered(1)) as index:
        scores, found = index.search(clustered(1), k=3)
    assert found.tolist() == [[0, -1, -1]]
    assert scores[0, 0] == pytest.approx(1, abs=0.02)


def test_copies_of_a_row_are_all_the_nearest(spec: str) -> None:
    rows = np.repeat(clustered()[:1], 40, axis=0)
    with made(spec, rows) as index:
        scores, found = index.search(rows[:2], k=K)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() >= 1 for row in found)
    np.testing.assert_allclose(scores[found >= 0], 1, atol=0.02)


def test_one_dimension_is_two_directions(spec: str) -> None:
    rows = np.array([[1], [-1]] * 25, np.float32)
    with made(spec, rows) as index:
        _, found = index.search(rows[:2], k=5)
    for at in range(2):
        there = found[at][found[at] >= 0]
        assert len(there) >= 1
        assert (rows[there] == rows[at]).all()


def test_the_same_options_give_the_same_answers(spec: str) -> None:
    answers = []
    for _ in range(2):
        with made(spec, clustered()) as index:
            index.tune(**index.sweep[0])
            answers.append(index.search(clustered()[:20], k=K)[1])
    if spec in ("ngt", "nmslib"):  # their builders take no seed
        assert (answers[0] == answers[1]).mean() > 0.8
    else:
        np.testing.assert_array_equal(*answers)


def test_what_it_was_given_is_not_changed_and_not_kept(spec: str) -> None:
    rows = clustered().copy()
    with made(spec, rows) as index:
        np.testing.assert_array_equal(rows, clustered())
        rows[:] = 0
        scores, _ = index.search(clustered()[:3], k=1)
    np.testing.assert_allclose(scores, 1, atol=0.1)


def test_a_saved_index_has_a_size(spec: str) -> None:
    with made(spec, clustered()) as index:
        size = index.size_on_disk()
        assert size is not None
        assert size > 500
        index.search(clustered()[:1], k=1)
        index.close()


@pytest.mark.server
@pytest.mark.parametrize("kind", ["FLAT", "HNSW", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "SCANN", "DISKANN"])
def test_every_index_type_of_a_server_answers_and_leaves_nothing_behind(milvus_server: Any, kind: str) -> None:
    rows, queries = clustered(), clustered()[:20]
    with made(f"milvus:index={kind},uri={milvus_server.uri}", rows) as index:
        found = index.search(queries, k=K)[1]
        assert index.size_on_disk() is None
    right = sum(len(set(found[at]) & set(nearest(query, rows, K))) for at, query in enumerate(queries))
    assert right / (20 * K) >= (0.3 if kind == "IVF_PQ" else 0.9)
    with contextlib.closing(plugins.build("stores", f"milvus:uri={milvus_server.uri}")) as store:
        assert not [name for name in store.collections() if name.startswith("compare_")]


@pytest.mark.parametrize("kind", ["flat", "ivf_flat"])
def test_on_gpus_the_index_is_filled_and_then_spread_over_all_of_them(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the GPU calls of faiss; no GPU is needed, and none is tested."""
    import faiss

    from pipeline.indexes import _faiss

    spread = []

    class Gpus:
        GpuMultipleClonerOptions = staticmethod(lambda: types.SimpleNamespace(shard=False))
        GpuParameterSpace = faiss.ParameterSpace
        get_num_gpus = staticmethod(lambda: 2)
        index_gpu_to_cpu = staticmethod(lambda index: index)

        def __getattr__(self, name: str) -> Any:
            return getattr(faiss, name)

        def index_cpu_to_all_gpus(self, index: Any, co: Any) -> Any:
            spread.append((index.ntotal, co.shard))
            return index

    monkeypatch.setattr(_faiss, "library", Gpus)
    assert plugins.missing("indexes", "faiss_gpu") == ""
    with made(f"faiss_gpu:index={kind}", clustered()) as index:
        found = index.search(clustered()[:10], k=K)[1]
        assert (index.size_on_disk() or 0) >= clustered().nbytes
    assert spread == [(600, True)]
    right = sum(len(set(found[at]) & set(nearest(clustered()[at], clustered(), K))) for at in range(10))
    assert right / (10 * K) >= 0.9
