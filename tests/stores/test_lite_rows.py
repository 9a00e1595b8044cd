"""Lite's rows read in this process: after every kind of write, and while its engine flushes and merges."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import plugins
from pipeline.filters import Clause, Filter
from pipeline.records import Rows
from pipeline.schema import Row
from pipeline.stores.milvus import MilvusStore

DIM = 16
NAME = "rows"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MilvusStore]:
    with contextlib.closing(plugins.build("stores", f"milvus:uri={tmp_path / 'milvus.db'}")) as opened:
        opened.create(NAME, dim=DIM, metadata_keys=["colour"])
        yield opened


def made(numbers: range, *, seed: int = 0, label: str = "shoes") -> Rows:
    vectors = np.random.default_rng((seed, numbers.start)).normal(size=(len(numbers), DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [vars(Row(id=f"{n:032x}", path=f"{n}.jpg", label=label, metadata={"colour": "red"})) for n in numbers]
    return Rows(pd.DataFrame(rows).astype({"width": "int64", "height": "int64"}), vectors)


def assert_holds(store: MilvusStore, truth: dict[str, np.ndarray], labels: dict[str, str]) -> None:
    """Count, digests, embeddings and the order of hits, the slow way."""
    assert store.count(NAME) == len(truth)
    assert store.digests(NAME).keys() == truth.keys()
    read = store.embeddings(NAME, [*truth, "unknown"])
    assert read.keys() == truth.keys()
    assert all((read[id_] == vector).all() for id_, vector in truth.items())
    query = made(range(1), seed=99).embeddings
    by_score = sorted(truth, key=lambda id_: -float(truth[id_] @ query[0]))
    [hits] = store.search(NAME, query, k=25, where=Filter())
    assert [hit.id for hit in hits] == by_score[:25]
    [hits] = store.search(NAME, query, k=25, where=Filter((Clause("label", ("boots",)),)))
    assert [hit.id for hit in hits] == [id_ for id_ in by_score if labels[id_] == "boots"][:25]


def test_what_was_replaced_and_deleted_is_so_in_every_segment(store: MilvusStore) -> None:
    truth: dict[str, np.ndarray] = {}
    labels: dict[str, str] = {}

    def put(rows: Rows) -> None:
        store.upsert(NAME, rows)
        truth.update(zip(rows.table["id"], rows.embeddings, strict=True))
        labels.update(zip(rows.table["id"], rows.table["label"], strict=True))
        assert_holds(store, truth, labels)

    def delete(numbers: range) -> None:
        ids = [f"{n:032x}" for n in numbers]
        store.delete(NAME, ids)
        for id_ in ids:
            truth.pop(id_, None)
        assert_holds(store, truth, labels)

    put(made(range(300)))
    store._link.flush(NAME)
    put(made(range(200, 400), seed=1, label="boots"))  # replaces a third, from memory
    delete(range(150, 250))  # of a segment and of what is in memory
    store._link.flush(NAME)
    delete(range(20))
    put(made(range(10), seed=2, label="boots"))  # back again
    for n in range(8):  # enough files for the engine to merge them
        put(made(range(n * 30, n * 30 + 40), seed=3 + n))
        store._link.flush(NAME)
    store._link.rows(NAME).collection._wait_for_bg()
    assert_holds(store, truth, labels)
    delete(range(100, 140))


def test_a_collection_made_anew_under_one_name_holds_nothing_of_the_last(store: MilvusStore) -> None:
    store.upsert(NAME, made(range(30)))
    assert store.count(NAME) == 30
    store.drop(NAME)
    store.create(NAME, dim=DIM)
    assert store.count(NAME) == 0
    assert store.search(NAME, made(range(1)).embeddings, k=3, where=Filter()) == [[]]


def test_large_segments_get_codes_beside_the_answers_and_give_the_same_ones(store: MilvusStore) -> None:
    rows = made(range(6_000))
    store.upsert(NAME, rows)
    store._link.flush(NAME)
    query = made(range(2), seed=5).embeddings
    first = store.search(NAME, query, k=20, where=Filter())
    held = store._link.rows(NAME)
    assert held._coding is not None
    held._coding.join()
    assert not any(piece.block.needs_codes for piece in held._pieces)
    assert store.search(NAME, query, k=20, where=Filter()) == first


def test_who_compares_is_said(store: MilvusStore) -> None:
    assert store.describe(NAME)["answers"] == "every row, compared in this process"
    store.create("graph", dim=DIM, index="hnsw")
    store.upsert("graph", made(range(40)))
    assert store.describe("graph")["answers"] == "Milvus"
    query = made(range(40)).embeddings[7:8]
    assert store.search("graph", query, k=1, where=Filter())[0][0].id == f"{7:032x}"


def test_nothing_is_walked_again_while_nothing_is_written(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.stores import _lite_rows

    store.upsert(NAME, made(range(30)))
    store.count(NAME)
    walks: list[int] = []
    monkeypatch.setattr(_lite_rows, "_mark_live", lambda pieces, gone: walks.append(len(pieces)))
    for _ in range(3):
        store.search(NAME, made(range(1)).embeddings, k=3, where=Filter())
    assert walks == []
    store.upsert(NAME, made(range(30, 31)))
    store.count(NAME)
    assert walks == [1]
