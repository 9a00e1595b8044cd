"""Every store keeps the same promises: in memory, in Milvus Lite, on a real Milvus server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import plugins
from pipeline.errors import StoreError
from pipeline.filters import Clause, Filter, mask
from pipeline.fingerprints import row_digest
from pipeline.records import Rows, SearchHit, VectorStore
from pipeline.schema import Row

pytest_plugins = ("milvus_server",)

DIM = 8
EVERYTHING = Filter()
ODD = [
    "plain", 'a"b', "a'b", "a\\b", 'a\\"b', "{x}", "${x}", "[1]", "文字", "🙂", "a,b", "a/b", "100 %", "", " ",
    "line\nbreak", "tab\t", "nul\x00", "\x7f", "\u2028", "\\u0041", "\ue000", "\ue00041;", "\udcff.jpg",
    '" or id != "', "a||b", "\\", '\\\\"', "é", "e\u0301",
]  # fmt: skip
numbers = count()


def make_rows(
    n: int, *, seed: int = 0, start: int = 0, labels: list[str] | None = None, metadata: list[dict] | None = None
) -> Rows:
    """n rows with random unit embeddings; ids are 32 hex digits from `start` on."""
    embeddings = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    records = [
        vars(
            Row(
                id=f"{start + i:032x}",
                parent=f"{i:032x}" if i % 3 == 0 else "",
                box="1,2,30,40" if i % 3 == 0 else "",
                path=f"folder/{start + i}.jpg",
                label=labels[i % len(labels)] if labels else f"label{i % 4}",
                split=("train", "validation", "test")[i % 3],
                width=100 + i,
                height=50 + i,
                metadata=metadata[i % len(metadata)] if metadata else {"colour": f"c{i % 2}"},
            )
        )
        for i in range(n)
    ]
    # pandas keeps text as UTF-8, which cannot hold a file name that is not; as Python objects it can
    odd = labels is not None and "\udcff" in "".join(labels)
    table = pd.DataFrame(records, dtype=object if odd else None).astype({"width": "int64", "height": "int64"})
    return Rows(table, embeddings)


def rows_without(rows: Rows, *positions: int) -> Rows:
    return rows.take([i for i in range(len(rows)) if i not in positions])


def true_digests(rows: Rows) -> dict[str, str]:
    return {
        row["id"]: row_digest(row, embedding)
        for row, embedding in zip(rows.table.to_dict("records"), rows.embeddings, strict=True)
    }


def true_hits(rows: Rows, query: np.ndarray, k: int) -> list[tuple[str, float]]:
    """The slow way: one cosine at a time, best first, ties by id."""
    scored = []
    for id_, embedding in zip(rows.table["id"], rows.embeddings, strict=True):
        cosine = float(np.dot(query, embedding) / np.linalg.norm(query) / np.linalg.norm(embedding))
        scored.append((-round(cosine, 6), id_))
    return [(id_, -score) for score, id_ in sorted(scored)[:k]]


@pytest.fixture(scope="module", params=["exact", "lite", pytest.param("server", marks=pytest.mark.server)])
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "exact":
        return "exact"
    if request.param == "lite":
        return f"milvus:uri={tmp_path_factory.mktemp('lite') / 'milvus.db'}"
    return f"milvus:uri={request.getfixturevalue('milvus_server').uri}"


@pytest.fixture(scope="module")
def store(spec: str) -> Iterator[VectorStore]:
    opened = plugins.build("stores", spec)
    yield opened
    opened.close()


@pytest.fixture
def collection(store: VectorStore) -> Iterator[str]:
    """An empty collection, dropped afterwards."""
    name = f"case_{next(numbers)}"
    store.create(name, dim=DIM, metadata_keys=["colour", "maker"])
    yield name
    store.drop(name)


@pytest.fixture(scope="module")
def filled(store: VectorStore) -> Iterator[tuple[str, Rows]]:
    """A collection that no test changes: 300 rows with every odd label, some rows without metadata."""
    metadata = [{"colour": odd, 'a "b" [c]\\/~🙂': odd} if i % 7 else {} for i, odd in enumerate(ODD)]
    rows = make_rows(300, seed=1, labels=ODD, metadata=metadata)
    rows.table["path"] = pd.Series([f"{ODD[i % len(ODD)]}/{i}.jpg" for i in range(300)], dtype=object)
    store.create("filled", dim=DIM, metadata_keys=["colour", "maker", 'a "b" [c]\\/~🙂'])
    store.upsert("filled", rows)
    yield "filled", rows
    store.drop("filled")


def test_it_says_which_versions_were_tested(store: VectorStore, filled: tuple[str, Rows], capsys: Any) -> None:
    about = store.describe(filled[0])
    with capsys.disabled():
        print(f"\n[{about['backend'].split(' at ')[0]}, index {about['index']}]", end=" ")
    assert about["rows"] == 300
    assert about["dim"] == DIM
    assert about["collection"] == "filled"


def test_search_finds_what_a_loop_finds_in_the_same_order(store: VectorStore, filled: tuple[str, Rows]) -> None:
    name, rows = filled
    queries = make_rows(5, seed=2).embeddings
    for query, hits in zip(queries, store.search(name, queries, k=12, where=EVERYTHING), strict=True):
        expected = true_hits(rows, query, 12)
        assert [hit.id for hit in hits] == [id_ for id_, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_a_hit_carries_the_row_as_it_was_given(store: VectorStore, filled: tuple[str, Rows]) -> None:
    name, rows = filled
    hits = {hit.id: hit for hit in store.search(name, rows.embeddings[:1], k=300, where=EVERYTHING)[0]}
    for row in rows.table.to_dict("records"):
        everything = {"colour": "", "maker": "", 'a "b" [c]\\/~🙂': ""} | row["metadata"]
        assert hits[row["id"]] == SearchHit(**(row | {"metadata": everything}), score=hits[row["id"]].score)


def test_more_hits_than_rows_gives_every_row(store: VectorStore, filled: tuple[str, Rows]) -> None:
    name, rows = filled
    for k in (300, 301, 16_384):
        assert len(store.search(name, rows.embeddings[:1], k=k, where=EVERYTHING)[0]) == 300


@pytest.mark.parametrize("k", [0, -1, 16_385])
def test_k_beyond_a_servers_bounds_is_refused(store: VectorStore, filled: tuple[str, Rows], k: int) -> None:
    with pytest.raises(StoreError, match="1 to 16384"):
        store.search(filled[0], filled[1].embeddings[:1], k=k, where=EVERYTHING)


def test_no_queries_give_no_lists(store: VectorStore, filled: tuple[str, Rows]) -> None:
    assert store.search(filled[0], np.empty((0, DIM), np.float32), k=3, where=EVERYTHING) == []


def test_many_queries_at_once_answer_like_one_at_a_time(store: VectorStore, filled: tuple[str, Rows]) -> None:
    name, rows = filled
    together = store.search(name, rows.embeddings[:40], k=16_384, where=EVERYTHING)
    assert [hits[0].id for hits in together] == list(rows.table["id"][:40])
    assert {len(hits) for hits in together} == {300}


def test_equal_scores_come_in_order_of_id(store: VectorStore, collection: str) -> None:
    rows = make_rows(40)
    rows.embeddings[:] = rows.embeddings[0]
    rows.table["id"] = list(reversed(rows.table["id"]))
    store.upsert(collection, rows)
    (hits,) = store.search(collection, rows.embeddings[:1], k=40, where=EVERYTHING)
    assert [hit.id for hit in hits] == sorted(rows.table["id"])
    assert {hit.score for hit in hits} == {1.0}


def assert_filters_alike(store: VectorStore, filled: tuple[str, Rows], where: Filter) -> None:
    name, rows = filled
    (hits,) = store.search(name, rows.embeddings[:1], k=300, where=where)
    assert {hit.id for hit in hits} == set(rows.table["id"][mask(where, rows.table)]), where


@pytest.mark.parametrize("field", ["label", "path", "colour", 'a "b" [c]\\/~🙂', "maker", "no such key"])
@pytest.mark.parametrize("negate", [False, True])
def test_filters_choose_what_the_pandas_mask_chooses(
    store: VectorStore, filled: tuple[str, Rows], field: str, negate: bool
) -> None:
    odd = [f"{text}/{i}.jpg" for i, text in enumerate(ODD)] if field == "path" else ODD
    for values in [*((text,) for text in odd), tuple(odd[:3]), ("", odd[4]), tuple(odd)]:
        assert_filters_alike(store, filled, Filter((Clause(field, values, negate=negate),)))


@given(
    st.lists(
        st.builds(
            Clause,
            st.sampled_from(["label", "split", "parent", "colour", "maker", 'a "b" [c]\\/~🙂']),
            st.lists(st.sampled_from(ODD) | st.text(max_size=12), min_size=1, max_size=4).map(tuple),
            st.booleans(),
        ),
        max_size=3,
    )
)
@example([Clause("label", ("plain", "\\"), negate=True), Clause("colour", ("", "x"))])
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_clauses_together_choose_what_the_mask_chooses(
    store: VectorStore, filled: tuple[str, Rows], clauses: list[Clause]
) -> None:
    assert_filters_alike(store, filled, Filter(tuple(clauses)))


def test_a_long_list_of_values_is_no_problem(store: VectorStore, filled: tuple[str, Rows]) -> None:
    values = (*(f"nothing {i}" for i in range(400)), "plain")
    for field in ("label", "colour"):
        for negate in (False, True):
            assert_filters_alike(store, filled, Filter((Clause(field, values, negate=negate),)))


def test_upserting_twice_changes_nothing(store: VectorStore, collection: str) -> None:
    rows = make_rows(20)
    store.upsert(collection, rows)
    store.upsert(collection, rows)
    assert store.count(collection) == 20
    assert store.digests(collection) == true_digests(rows)


def test_upserting_replaces_by_id(store: VectorStore, collection: str) -> None:
    store.upsert(collection, make_rows(10, seed=3))
    after = make_rows(10, seed=4, labels=["new"])
    store.upsert(collection, after)
    assert store.digests(collection) == true_digests(after)
    (hits,) = store.search(collection, after.embeddings[3:4], k=10, where=EVERYTHING)
    assert hits[0].id == after.table["id"][3]
    assert {hit.label for hit in hits} == {"new"}


def test_of_one_id_twice_in_a_batch_the_last_row_stays(store: VectorStore, collection: str) -> None:
    rows = make_rows(6)
    rows.table["id"] = [f"{i % 3:032x}" for i in range(6)]
    store.upsert(collection, rows)
    assert store.digests(collection) == true_digests(rows_without(rows, 0, 1, 2))
    assert store.count(collection) == 3


def test_no_rows_are_welcome(store: VectorStore, collection: str) -> None:
    empty = rows_without(make_rows(1), 0)
    store.upsert(collection, empty)
    store.delete(collection, [])
    assert store.count(collection) == 0
    assert store.digests(collection) == {}
    assert store.embeddings(collection, ["0" * 32]) == {}
    assert store.search(collection, make_rows(2).embeddings, k=5, where=EVERYTHING) == [[], []]
    somewhere = Filter((Clause("label", ("x",)),))
    assert store.search(collection, make_rows(2).embeddings, k=5, where=somewhere) == [[], []]


def test_deleting_removes_only_what_was_named(store: VectorStore, collection: str) -> None:
    rows = make_rows(12)
    store.upsert(collection, rows)
    store.delete(collection, [rows.table["id"][2], rows.table["id"][5], "never there", 'a "quoted" \\ id'])
    assert store.digests(collection) == true_digests(rows_without(rows, 2, 5))
    assert store.count(collection) == 10
    assert rows.table["id"][2] not in store.embeddings(collection, list(rows.table["id"]))
    (hits,) = store.search(collection, rows.embeddings[2:3], k=12, where=EVERYTHING)
    assert len(hits) == 10


def test_a_deleted_row_can_come_back(store: VectorStore, collection: str) -> None:
    rows = make_rows(5)
    store.upsert(collection, rows)
    store.delete(collection, list(rows.table["id"]))
    assert store.count(collection) == 0
    store.upsert(collection, rows)
    assert store.digests(collection) == true_digests(rows)


def test_what_was_written_is_read_at_once(store: VectorStore, collection: str) -> None:
    for i in range(8):
        row = make_rows(1, seed=50 + i, start=i)
        store.upsert(collection, row)
        (hits,) = store.search(collection, row.embeddings, k=1, where=EVERYTHING)
        assert [hit.id for hit in hits] == [f"{i:032x}"]
        store.delete(collection, [f"{i:032x}"])
        assert store.search(collection, row.embeddings, k=1, where=EVERYTHING) == [[]]


def test_embeddings_come_back_as_they_went(store: VectorStore, filled: tuple[str, Rows]) -> None:
    name, rows = filled
    found = store.embeddings(name, [*rows.table["id"][:50], "unknown"])
    assert set(found) == set(rows.table["id"][:50])
    for id_, embedding in zip(rows.table["id"][:50], rows.embeddings, strict=False):
        assert found[id_].shape == (DIM,)
        assert found[id_].dtype == np.float32
        np.testing.assert_allclose(found[id_], embedding, atol=1e-6)


def test_digests_tell_stale_missing_and_surplus_rows(store: VectorStore, filled: tuple[str, Rows]) -> None:
    name, rows = filled
    in_store = store.digests(name)
    assert in_store == true_digests(rows)
    changed = rows_without(rows, 1)
    changed.table.loc[0, "label"] = "renamed"
    changed.embeddings[5] = -changed.embeddings[5]
    on_disk = true_digests(changed)
    assert in_store.keys() - on_disk.keys() == {rows.table["id"][1]}
    stale = {id_ for id_, digest in on_disk.items() if in_store[id_] != digest}
    assert stale == {rows.table["id"][0], changed.table["id"][5]}


def test_digests_of_more_rows_than_one_answer_holds(store: VectorStore, collection: str) -> None:
    many = 17_000
    rows = Rows(pd.concat([make_rows(1).table] * many, ignore_index=True), np.repeat(make_rows(1).embeddings, many, 0))
    rows.table["id"] = [f"{i * 7919 % 1_000_003:032x}" for i in range(many)]
    store.upsert(collection, rows)
    found = store.digests(collection)
    assert found == true_digests(rows)
    assert store.count(collection) == many
    some = list(rows.table["id"][:2500])
    assert set(store.embeddings(collection, some)) == set(some)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda rows: rows.embeddings.__setitem__((3, 1), np.nan), "number 3 holds NaN"),
        (lambda rows: rows.embeddings.__setitem__((4, 0), np.inf), "number 4 holds NaN or infinity"),
        (lambda rows: rows.embeddings.__setitem__(2, 0), "number 2 is all zero"),
        (lambda rows: setattr(rows, "embeddings", rows.embeddings[:, :5]), r"shape \(6, 5\).*dim 8"),
        (lambda rows: setattr(rows, "embeddings", rows.embeddings[:4]), "6 rows came with 4 embeddings"),
        (lambda rows: rows.table.__setitem__("label", ["x" * 1025] * 6), "label takes 1,025 bytes.*1,024 fit"),
        (lambda rows: rows.table.__setitem__("label", ["文" * 342] * 6), "label takes 1,026 bytes.*1,024 fit"),
        (lambda rows: rows.table.__setitem__("path", ["x" * 9000] * 6), "path takes 9,000 bytes"),
        (lambda rows: rows.table.__setitem__("label", [None] * 6), "label is None, not text"),
        (lambda rows: rows.table.__setitem__("id", [""] * 6), "has no id"),
        (lambda rows: rows.table.__setitem__("metadata", [{"n": 3}] * 6), "'n' is 3; keys and values are text"),
        (lambda rows: rows.table.__setitem__("metadata", [{"n": "x" * 70_000}] * 6), "metadata takes 70,0"),
    ],
)
def test_what_a_server_would_refuse_is_refused_before_sending(
    store: VectorStore, filled: tuple[str, Rows], break_it: Any, says: str
) -> None:
    rows = make_rows(6, start=10_000)
    break_it(rows)
    with pytest.raises(StoreError, match=says):
        store.upsert(filled[0], rows)
    assert store.count(filled[0]) == 300


def test_the_longest_text_that_fits_is_kept(store: VectorStore, collection: str) -> None:
    rows = make_rows(1, labels=["文" * 341 + "x"], metadata=[{"colour": "é" * 29_000}])
    rows.table["path"] = pd.Series(["\udcff" * 1_000 + ".jpg"], dtype=object)
    store.upsert(collection, rows)
    ((hit,),) = store.search(collection, rows.embeddings, k=1, where=EVERYTHING)
    assert (hit.label, hit.path) == (rows.table["label"][0], rows.table["path"][0])
    assert hit.metadata["colour"] == "é" * 29_000


@pytest.mark.parametrize(
    ("queries", "says"),
    [
        (np.full((1, DIM), np.nan), "number 0 holds NaN"),
        (np.full((1, DIM), -np.inf), "number 0 holds NaN or infinity"),
        (np.zeros((2, DIM)), "number 0 is all zero"),
        (np.ones((1, DIM + 1)), r"shape \(1, 9\).*reencode"),
        (np.ones(DIM), r"shape \(8,\)"),
    ],
)
def test_a_query_that_means_nothing_is_refused(
    store: VectorStore, filled: tuple[str, Rows], queries: np.ndarray, says: str
) -> None:
    with pytest.raises(StoreError, match=says):
        store.search(filled[0], queries, k=1, where=EVERYTHING)


def test_creating_again_keeps_the_rows_and_another_dim_is_refused(store: VectorStore, collection: str) -> None:
    store.upsert(collection, make_rows(3))
    store.create(collection, dim=DIM)
    assert store.count(collection) == 3
    with pytest.raises(StoreError, match="holds dim 8, not 16"):
        store.create(collection, dim=16)


@pytest.mark.parametrize("name", ["", "1st", "a-b", "naïve", "a b", "x" * 256, 'a"', "../up"])
def test_a_name_that_a_server_refuses_is_refused(store: VectorStore, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a collection"):
        store.create(name, dim=DIM)
    with pytest.raises(StoreError, match="cannot name a collection"):
        store.exists(name)


def test_a_collection_that_is_not_there_is_named_with_the_remedy(store: VectorStore) -> None:
    assert not store.exists("nowhere")
    for action in (
        lambda: store.count("nowhere"),
        lambda: store.digests("nowhere"),
        lambda: store.describe("nowhere"),
        lambda: store.delete("nowhere", ["x"]),
        lambda: store.upsert("nowhere", make_rows(1)),
        lambda: store.embeddings("nowhere", ["x"]),
        lambda: store.search("nowhere", make_rows(1).embeddings, k=1, where=EVERYTHING),
        lambda: store.point("somewhere", "nowhere"),
    ):
        with pytest.raises(StoreError, match=r"no collection 'nowhere'.*sync nowhere"):
            action()
    store.drop("nowhere")


def test_an_alias_moves_and_goes_with_its_collection(store: VectorStore, collection: str) -> None:
    other = collection + "__abcdef01"
    store.create(other, dim=DIM)
    store.upsert(collection, make_rows(3))
    store.upsert(other, make_rows(7, seed=9))
    alias = collection + "_alias"
    store.point(alias, collection)
    assert store.exists(alias)
    assert store.count(alias) == 3
    assert store.describe(alias)["collection"] == collection
    assert store.describe(collection)["alias"] == alias
    store.point(alias, other)
    store.point(alias, other)
    assert store.count(alias) == 7
    assert store.describe(collection)["alias"] == ""
    (hits,) = store.search(alias, make_rows(7, seed=9).embeddings[4:5], k=9, where=EVERYTHING)
    assert (len(hits), hits[0].id) == (7, f"{4:032x}")
    assert {collection, other} <= set(store.collections())
    assert alias not in store.collections()
    with pytest.raises(StoreError, match="is a collection and cannot be an alias"):
        store.point(collection, other)
    store.drop(other)
    assert not store.exists(other)
    assert not store.exists(alias)
    store.point(alias, collection)
    assert store.count(alias) == 3


def test_a_dropped_collection_can_be_made_with_another_dim(store: VectorStore, collection: str) -> None:
    store.upsert(collection, make_rows(3))
    store.drop(collection)
    assert not store.exists(collection)
    store.create(collection, dim=3)
    assert store.count(collection) == 0
    one = Rows(make_rows(1).table, np.array([[0.6, 0.8, 0.0]], np.float32))
    store.upsert(collection, one)
    ((hit,),) = store.search(collection, one.embeddings, k=1, where=EVERYTHING)
    assert hit.score == pytest.approx(1.0, abs=1e-5)


def test_scores_never_leave_minus_one_to_one(store: VectorStore, collection: str) -> None:
    rows = make_rows(64, seed=11)
    store.upsert(collection, rows)
    for sign in (1, -1):
        for hits in store.search(collection, sign * rows.embeddings, k=64, where=EVERYTHING):
            assert all(-1.0 <= hit.score <= 1.0 for hit in hits)


def test_ping_answers(store: VectorStore) -> None:
    started = time.monotonic()
    store.ping()
    assert time.monotonic() - started < 5


def test_after_closing_and_opening_again_everything_is_there(spec: str, tmp_path: Any) -> None:
    if spec == "exact":
        pytest.skip("exact keeps nothing")
    where = spec if "http" in spec else f"milvus:uri={tmp_path / 'again' / 'milvus.db'}"
    rows = make_rows(30, metadata=[{"maker": "m"}, {}])
    first = plugins.build("stores", where)
    first.create("kept", dim=DIM, metadata_keys=["maker"])
    first.upsert("kept", rows)
    first.point("kept_alias", "kept")
    first.close()
    first.close()
    with pytest.raises(StoreError, match="closed"):
        first.count("kept")
    second = plugins.build("stores", where)
    try:
        assert second.digests("kept") == true_digests(rows)
        (hits,) = second.search("kept_alias", rows.embeddings[7:8], k=3, where=Filter((Clause("maker", ("",)),)))
        assert [hit.id for hit in hits][:1] == [f"{7:032x}"]
        assert hits[0].metadata == {"maker": ""}
        second.upsert("kept", make_rows(1, start=99))  # the keys of the collection are known to it still
        ((hit,),) = second.search(
            "kept", make_rows(1).embeddings, k=1, where=Filter((Clause("path", ("folder/99.jpg",)),))
        )
        assert json.dumps(hit.metadata, sort_keys=True) == '{"colour": "c0", "maker": ""}'
    finally:
        second.drop("kept")
        second.close()
