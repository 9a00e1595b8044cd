"""ann_recall under filters against a loop over queries; which filters are asked of a gallery; and what the verb prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_gallery import exact, fill, photos, run

from pipeline import filters
from pipeline.comparison import filtered
from pipeline.comparison.filtered import Asked
from pipeline.filters.clauses import Filter
from pipeline.gallery.gallery import Gallery
from pipeline.schema import NAMES

K = 5


class Forgetful:
    """A store that knows only some pictures."""

    def __init__(self, inner, lost: set[str]) -> None:
        self.inner, self.lost = inner, lost

    def search(self, collection, queries, *, k, where):
        [hits] = self.inner.search(collection, queries, k=500, where=where)
        return [[hit for hit in hits if hit.id not in self.lost][:k]]


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 30, labels=("cup", "bowl", "shoe", "hat", "cup")))[0]


def test_figures_are_those_of_a_loop_over_queries(gallery: Gallery) -> None:
    rows, store = gallery.rows(), exact()
    store.create("small", dim=rows.embeddings.shape[1])
    store.upsert("small", rows)
    ids, labels = rows.table["id"].tolist(), rows.table["label"].tolist()
    lost = set(ids[::4])
    asked = [Asked("", Filter()), Asked("label=cup", filters.parse(["label=cup"]))]
    for row, label in zip(
        filtered.measure(Forgetful(store, lost), "small", rows, asked, k=K), ("", "cup"), strict=True
    ):
        shares = []
        for query, own in zip(rows.embeddings, ids, strict=True):
            others = [at for at in range(30) if ids[at] != own and label in ("", labels[at])]
            others.sort(key=lambda at, query=query: -float(query @ rows.embeddings[at]))
            shares.append(sum(ids[at] not in lost for at in others[:K]) / K)
        assert row["ann_recall"] == pytest.approx(sum(shares) / 30, abs=1e-9)
        assert row["ann_recall"] < 1
        assert (row["share"], row["k"], row["queries"]) == (1 if not label else 12 / 30, K, 30)
    assert [row["ann_recall"] for row in filtered.measure(store, "small", rows, asked, k=K)] == [1, 1]


def test_a_filter_that_fewer_pass_than_are_asked_for_is_measured_on_those(gallery: Gallery) -> None:
    rows, store = gallery.rows(), exact()
    store.create("small", dim=rows.embeddings.shape[1])
    store.upsert("small", rows)
    few = [Asked(text, filters.parse([text])) for text in ("label=hat", f"path={rows.table['path'].iloc[0]}")]
    [row] = filtered.measure(store, "small", rows, few, k=50)
    assert (row["k"], row["ann_recall"]) == (5, 1)


def table_of(n: int, **columns: object) -> pd.DataFrame:
    table = pd.DataFrame(dict.fromkeys(NAMES, ""), index=range(n))
    return table.assign(
        **({"id": [f"{i:032x}" for i in range(n)], "width": 8, "height": 8, "metadata": [{}] * n} | columns)
    )


def test_filters_are_of_the_gallerys_own_facts_where_they_have_the_share() -> None:
    facts = [{"brand": f"no, {i % 100}"} for i in range(1000)]
    labels = ["half" if i % 2 else f"other {i % 10}" for i in range(1000)]
    table = table_of(1000, metadata=facts, label=labels)
    asked = filtered.of_facts(table, ["brand"])
    passing = [filters.mask(one.where, table).mean() for one in asked]
    assert passing == [1, *(pytest.approx(share, rel=0.5) for share in filtered.SHARES)]
    assert [one.text.partition("=")[0] for one in asked[1:]] == ["brand", "brand", "label"] or "label=half" in asked[
        3
    ].text
    typed = [filters.check(filters.parse([one.text]), ["brand"]) for one in asked[1:]]
    assert [filters.mask(one, table).mean() for one in typed] == passing[1:], "what is shown can be typed"


def test_without_facts_rows_are_drawn_at_random_and_too_many_are_left_out() -> None:
    asked = filtered.of_facts(table_of(100), [])
    assert [one.text for one in asked] == ["", *["drawn at random"] * 3]
    assert [int(filters.mask(one.where, table_of(100)).sum()) for one in asked] == [100, 2, 10, 50]
    many = filtered.of_facts(table_of(3 * filtered.MAX_NAMED), [])
    assert len(many) == 3, "half of them cannot be named"


def test_what_the_figures_come_to_is_a_sentence() -> None:
    row = {"filter": "label=cup", "share": 0.1, "ann_recall": 0.991}
    assert filtered.said([row | {"filter": ""}]) == ""
    assert (
        filtered.said([row]) == "Under these filters the index finds 99.1 % or more of the nearest pictures that pass."
    )
    assert (
        "50.0 % or more of the nearest pictures that pass, and 98 % is wanted: fewest with label=cup, which 10.0 % pass"
        in filtered.said([row | {"ann_recall": 0.5}, row])
    )


def test_the_verb_measures_the_gallerys_own_index(gallery: Gallery) -> None:
    words = ("compare-indexes", gallery.name, "--indexes", "milvus:index=FLAT", "--seconds", "0.5", "--k", "3")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "Under these filters the index finds all of the nearest pictures that pass." in done.stdout
    report = json.loads(next((gallery.root / "reports").glob("indexes-*.json")).read_text())
    assert np.allclose([row["ann_recall"] for row in report["filtered"]["rows"]], 1)
    assert report["filtered"]["rows"][0]["filter"] == ""
