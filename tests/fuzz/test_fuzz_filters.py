"""Labels of any text, asked for by filter, and filters of any text: the rows a loop finds, and never another."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from cases import Escape, cases, count
from hypothesis import given
from hypothesis import strategies as st
from tiny_gallery import lite

from pipeline import filters, plugins
from pipeline.errors import StoreError, UsageError
from pipeline.filters import Clause, Filter
from pipeline.records import Rows, VectorStore
from pipeline.schema import Row

DIM, KEYS = 4, ("colour", 'a"b', "{x}")
HOSTILE = ['"', "'", "\\", "{", "}", "$", "[", "]", "(", ")", ",", "=", "!", "%", "\0", "\n", "\x1b", "\u2028", "\ufeff",
           " or ", " and ", 'label == "', '" or id != "', "${x}", "{{", "in", "like", "exists", "文", "🙂", "\u202e"]  # fmt: skip
texts = st.text(max_size=12) | st.lists(st.sampled_from(HOSTILE) | st.text(max_size=3), max_size=6).map("".join)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[VectorStore]]:
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("SEMBLANCE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
        both = [plugins.build("stores", "exact"), stack.enter_context(lite())]
        for store in both:
            store.create("small", dim=DIM, metadata_keys=KEYS)
        yield both


def rows_of(labels: list[str]) -> Rows:
    embeddings = np.eye(DIM, dtype=np.float32)[[i % DIM for i in range(len(labels))]]
    records = [
        vars(
            Row(
                id=hashlib.sha256(f"{i}{label}".encode("utf-8", "surrogatepass")).hexdigest()[:32],
                path=f"{i}.png",
                label=label,
                width=9,
                height=9,
                metadata=dict.fromkeys(KEYS, label),
            )
        )
        for i, label in enumerate(labels)
    ]
    return Rows(pd.DataFrame(records, dtype=object).astype({"width": "int64", "height": "int64"}), embeddings)


def found(store: VectorStore, where: Filter, rows: int) -> list[str]:
    [hits] = store.search("small", np.ones((1, DIM), np.float32) / 2, k=max(rows, 1), where=where)
    return sorted(hit.id for hit in hits)


@cases
@given(st.lists(texts, min_size=1, max_size=6, unique=True), st.lists(texts, max_size=3), st.booleans())
def test_a_label_of_any_text_is_found_by_its_filter_and_no_other_is(
    stores: list[VectorStore], labels: list[str], others: list[str], negate: bool
) -> None:
    count("labels")
    rows = rows_of(labels)
    for store in stores:
        store.upsert("small", rows)
    try:
        for field in ("label", *KEYS):
            for asked in (labels[:1], [*labels[1:2], *others]):
                if not asked:
                    continue
                # typed and read again, as a person's filter is
                where = filters.parse([str(Filter((Clause(field, tuple(asked), negate),)))])
                truth = sorted(row["id"] for row in rows.table.to_dict("records") if (row["label"] in asked) != negate)
                assert sorted(rows.table["id"][filters.mask(where, rows.table)]) == truth
                for store in stores:
                    if found(store, where, len(rows)) != truth:
                        raise Escape(f"{type(store).__module__}: {where}")
    finally:
        for store in stores:
            store.delete("small", list(rows.table["id"]))


@cases
@given(st.lists(st.tuples(st.sampled_from(["label", "split", *KEYS, ""]) | texts, st.sampled_from(["=", "!=", "==", ""]), texts).map("".join), max_size=3))  # fmt: skip
def test_a_filter_of_any_text_is_refused_or_matches_what_its_mask_matches(
    stores: list[VectorStore], typed: list[str]
) -> None:
    count("filters")
    rows = rows_of(["cup", 'a"b', "", "\\", "{x}", " or "])
    if stores[1].count("small") != len(rows):
        for store in stores:
            store.upsert("small", rows)
    try:
        where = filters.parse(typed)
        filters.check(where, KEYS)
    except UsageError:
        return
    truth = sorted(rows.table["id"][filters.mask(where, rows.table)])
    for store in stores:
        try:
            ids = found(store, where, len(rows))
        except StoreError:  # a refusal is an answer; a wrong row is not
            continue
        if ids != truth:
            raise Escape(f"{type(store).__module__}: {typed}")
