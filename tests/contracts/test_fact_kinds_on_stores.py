"""Booleans, lists and places choose the same pictures in memory, in Milvus Lite and on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import filters, plugins, readings
from pipeline.filters import kinds
from pipeline.filters.clauses import Clause, Either, Filter
from pipeline.records import Rows, VectorStore
from pipeline.schema import Row

pytest_plugins = ("milvus_server",)

DIM, N = 4, 700
KINDS = {"sold": "boolean", "tags": "list;", "spot": "place", "own": "list|", "price": "number", "code": "text"}
SOLD = ["yes", "no", "TRUE", "0", "", "perhaps", "Ja"]
TAGS = ["sea; sun", "sun", "", "seaside", 'a "b"; c', '["sea", "x"]', "Meer; Café"]
SPOTS = ["52.5, 13.4", "52.52 13.41", "48.1, 11.6", "", "nowhere", "33.45 S 70.66 W", "0, 179.9", "0, -179.9"]


@pytest.fixture(scope="module", params=["exact", "lite", pytest.param("server", marks=pytest.mark.server)])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[VectorStore, Rows]]:
    spec = {"exact": "exact", "lite": f"milvus:uri={tmp_path_factory.mktemp('lite') / 'milvus.db'}"}.get(request.param)
    store: VectorStore = plugins.build("stores", spec or f"milvus:uri={request.getfixturevalue('milvus_server').uri}")
    records = [
        vars(
            Row(
                id=f"{i:032x}",
                path=f"{i}.jpg",
                metadata={
                    "sold": SOLD[i % len(SOLD)], "tags": TAGS[i % len(TAGS)], "spot": SPOTS[i % len(SPOTS)],
                    "own": f"all|{i}", "price": f"{i % 9}.{'0' * (i % 3)}", "code": f"0{i % 9}",
                } if i % 11 else {},
            )
        )
        for i in range(N)
    ]  # fmt: skip
    table = pd.DataFrame(records).astype({"width": "int64", "height": "int64"})
    rows = Rows(table, np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32))
    store.create("kinds", dim=DIM, metadata_keys=tuple(KINDS))
    store.upsert("kinds", rows)
    yield store, rows
    store.drop("kinds")
    store.close()


asked = {
    "sold": ["yes", "no", "", "true"],
    "tags": ["sea", "sun", "", 'a "b"', "Café", "nothing"],
    "spot": ["52.5 13.4 5km", "48..53 11..14", "0 180 100km", "", "-90..0 -180..180"],
    "own": ["all", "7", "nothing"],
    "price": ["3", "3..5", "0"],
    "code": ["03", "3", ""],
}
leaves = st.sampled_from(sorted(asked)).flatmap(
    lambda field: st.builds(
        lambda some, negate: Clause(field, tuple(some), negate=negate),
        st.lists(st.sampled_from(asked[field]), min_size=1, max_size=2),
        st.booleans(),
    )
)
both = st.lists(leaves, min_size=1, max_size=3).map(lambda some: Filter(tuple(some)))


@given(both | st.lists(both, min_size=1, max_size=2).map(lambda some: Filter((Either(tuple(some)),))))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_kinds_choose_the_same_on_every_store(filled: tuple[VectorStore, Rows], where: Filter) -> None:
    store, rows = filled
    checked = filters.check(where, tuple(KINDS))
    meant = checked.replaced(lambda clause: kinds.meant(clause, KINDS[clause.field], lambda: rows.table))
    [hits] = store.search("kinds", rows.embeddings[:1], k=N, where=meant)
    truth = {row["id"] for row in rows.table.to_dict("records") if holds(where, row["metadata"])}
    assert {hit.id for hit in hits} == truth, where


def holds(where: Filter, facts: dict[str, str]) -> bool:
    """As a child would look: clause by clause, value by value."""
    return all(
        any(holds(part, facts) for part in one.filters) if isinstance(one, Either) else has(one, facts) != one.negate
        for one in where.clauses
    )


def has(clause: Clause, facts: dict[str, str]) -> bool:
    return any(is_one(clause.field, facts.get(clause.field, ""), value) for value in clause.values)


def is_one(field: str, text: str, value: str) -> bool:
    if field in ("tags", "own"):
        found = readings.elements(text, KINDS[field][-1])
        return value in found or (value == "" and not found)
    if value == "":
        return text == ""
    if field == "sold":
        return text != "" and readings.truth(text) == readings.truth(value)
    if field == "code":
        return text == value
    if field == "price":
        low, _, high = value.partition("..")
        return text != "" and float(low) <= float(text) <= float(high or low)
    spot = readings.place(text)
    if spot is None:
        return False
    return {
        "52.5 13.4 5km": lambda: text in ("52.5, 13.4", "52.52 13.41"),
        "48..53 11..14": lambda: 48 <= spot[0] <= 53 and 11 <= spot[1] <= 14,
        "0 180 100km": lambda: text in ("0, 179.9", "0, -179.9"),
        "-90..0 -180..180": lambda: spot[0] <= 0,
    }[value]()
