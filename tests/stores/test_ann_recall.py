"""The index that a gallery gets when nothing is said finds what is nearest, also after it was closed and opened again."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import plugins
from pipeline.filters import Filter
from pipeline.metrics import ann
from pipeline.metrics.retrieval import nearest
from pipeline.records import Rows, VectorStore
from pipeline.schema import Row
from pipeline.stores._link import connect

pytest_plugins = ("milvus_server",)

DIM, QUERIES, K = 128, 200, 10


def clustered(n: int) -> Rows:
    """n rows around a centre for every hundred."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(n // 100, DIM))
    rows = centres[np.arange(n) % len(centres)] + 0.7 * random.normal(size=(n, DIM))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    table = pd.DataFrame([vars(Row(id=f"{at:032x}", path=f"{at}.jpg")) for at in range(n)])
    return Rows(table, rows.astype(np.float32))


def reopened_recall(where: str, rows: Rows) -> float:
    """ann_recall of the store at `where`, filled by one connection and asked by the next."""
    name = f"reopened_{len(rows)}"
    with contextlib.closing(plugins.build("stores", where)) as store:
        store.create(name, dim=DIM)
        for start in range(0, len(rows), 1_000):  # as an ingest commits its parts
            part = slice(start, start + 1_000)
            store.upsert(name, rows.take(part))
        store.point(f"{name}_alias", name)
    with contextlib.closing(plugins.build("stores", where)) as store:
        try:
            queries = rows.embeddings[:: len(rows) // QUERIES][:QUERIES]
            until = time.monotonic() + 20
            while _found(store, name, rows.embeddings[-1:])[0, 0] != len(rows) - 1 and time.monotonic() < until:
                time.sleep(0.2)  # a server shows another connection's last rows within about 5 s
            returned = _found(store, name, queries)
            scores = ann.true_scores(queries, rows.embeddings, returned)
            return float(ann.ann_recall(returned, scores, nearest(queries, rows.embeddings, k=K)[0]).mean())
        finally:
            store.drop(name)


def _found(store: VectorStore, name: str, queries: np.ndarray) -> np.ndarray:
    """(q, K) row numbers, -1 where fewer were found."""
    found = np.full((len(queries), K), -1)
    for at, hits in enumerate(store.search(name, queries, k=K, where=Filter())):
        found[at, : len(hits)] = [int(hit.id, 16) for hit in hits]
    return found


@pytest.mark.parametrize("n", [1_000, 10_000])
def test_the_default_index_of_the_embedded_milvus_finds_99_of_100_after_a_restart(n: int, tmp_path: Path) -> None:
    assert reopened_recall(f"milvus:uri={tmp_path / 'milvus.db'}", clustered(n)) >= 0.99


@pytest.mark.server
@pytest.mark.parametrize("n", [1_000, 10_000])
def test_the_default_index_of_a_server_finds_99_of_100_after_reconnecting(milvus_server: Any, n: int) -> None:
    assert reopened_recall(f"milvus:uri={milvus_server.uri}", clustered(n)) >= 0.99


@pytest.mark.server
def test_a_server_soon_gives_its_index_to_rows_that_were_just_written(milvus_server: Any) -> None:
    """By itself it waits until a segment is full or old, and a search misses more in what has no index yet."""
    rows, name = clustered(3_000), "just_written"
    with (
        contextlib.closing(plugins.build("stores", f"milvus:uri={milvus_server.uri}")) as store,
        contextlib.closing(connect(milvus_server.uri, "", 30)) as client,
    ):
        store.create(name, dim=DIM)
        store.upsert(name, rows)
        store.point(f"{name}_alias", name)
        until, indexed = time.monotonic() + 180, 0  # seconds; a quiet server needs ten
        while indexed < len(rows) and time.monotonic() < until:
            indexed = client.describe_index(name, "embedding", timeout=30)["indexed_rows"]
            time.sleep(0.2)
        store.drop(name)
    assert indexed == len(rows)
