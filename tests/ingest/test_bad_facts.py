"""Facts as strangers bring them: mixed, spelt in many ways, called like our own columns, far too many, or none at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tiny_gallery import fill, photos, run

from pipeline.errors import UsageError
from pipeline.files import checksummed
from pipeline.filters import mask, parse
from pipeline.gallery import asked, tags
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import add_facts, sync
from pipeline.ingest.facts_files import FactsTable
from pipeline.ingest.facts_matching import Matched, match
from pipeline.search import facets
from pipeline.search import search as searching
from pipeline.search.search import Query

N = 12


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", N))[0]


def bring(gallery: Gallery, **columns: list[str]) -> Matched:
    """A column of each name, its cells one picture after the other."""
    paths = gallery.table()["path"].tolist()
    cells = {name: [*texts, *[""] * (N - len(texts))] for name, texts in columns.items()}
    table = pd.DataFrame({"picture": paths} | cells, dtype=object)
    found = match(gallery, FactsTable(table, list(range(1, N + 1)), "picture"))
    add_facts.add(gallery, found)
    return found


def passing(gallery: Gallery, where: str) -> list[int]:
    """Numbers of the pictures that pass, by the mask and by a search of the store."""
    table = gallery.table()
    by_mask = table["id"][mask(asked.settled(parse([where]), gallery), table)].tolist()
    store = sync.exact_store(gallery)
    one = Query(ids=(table["id"][0],))
    hits = searching.search(gallery, store, None, one, k=N, where=parse([where]), exclude_query=False).hits
    assert {hit.id for hit in hits} == set(by_mask)
    return [table["id"].tolist().index(one) for one in by_mask]


def test_of_mixed_cells_numbers_are_compared_and_words_are_in_no_range(gallery: Gallery) -> None:
    found = bring(gallery, price=["1", "2.5", "free", "n/a", "7", "-", "1e3", "12 EUR"])
    assert found.kinds["price"] == "text"
    asked.choose_kinds(gallery, {"price": "number"})
    assert passing(gallery, "price<10") == [0, 1, 4]
    assert passing(gallery, "price=7.0") == [4]
    assert passing(gallery, "price=free") == [2]
    assert len(passing(gallery, "not price<10")) == N - 3


def test_dates_of_many_spellings_and_zones_are_one_calendar(gallery: Gallery) -> None:
    spelt = [
        "2024-05-03", "03.05.2024", "3 May 2024", "May 3rd, 2024", "2024:05:03 14:07:09", "2024-05-03T23:30:00+09:00",
        "2024-05-03T00:10Z", "13/5/2024", "3/5/2024", "2024-13-45",
    ]  # fmt: skip
    found = bring(gallery, taken=spelt)
    assert found.kinds["taken"] == "date"
    assert found.unread["taken"] == (1, "2024-13-45")
    assert passing(gallery, "taken=2024-05-03") == [0, 1, 2, 3, 4, 5, 6, 8], (
        "13/5/2024 shows that 3/5/2024 is the third of May"
    )
    assert passing(gallery, "taken=2024-05-04..2024-05-31") == [7]


@pytest.mark.parametrize(
    ("cells", "over_one"),
    [
        (["0,5", "1,5", "1,234"], [1, 2]),  # a decimal comma: 1.234
        (["0.5", "1,500", "1,234,567"], [1, 2]),  # thousands
        (["0,75", "1.234,5", "12"], [1, 2]),
        (["0,999", "1,001"], [1]),  # nothing tells: a group of thousands would begin with no zero
    ],
)
def test_numbers_with_a_comma_are_read_as_their_column_writes_them(
    gallery: Gallery, cells: list[str], over_one: list[int]
) -> None:
    bring(gallery, price=cells)
    assert passing(gallery, "price=1..3" if cells[0] == "0,5" else "price>1") == over_one


def test_columns_called_like_ours_are_facts_or_left_out_and_no_row_is_harmed(gallery: Gallery) -> None:
    before = gallery.table()
    found = bring(
        gallery, id=["7", "8"], embedding=["[0.1, 0.2]", "x"], label=["lamp"], path=["x"], width=["big"], tag=["t"]
    )
    assert set(found.kinds) == {"id", "embedding", "width", "tag"}
    assert any("'label' and 'path' left out" in note for note in found.notes)
    after = gallery.table()
    for column in ("id", "path", "label", "width"):
        assert after[column].tolist() == before[column].tolist()
    assert passing(gallery, "id=8") == [1]
    assert passing(gallery, "embedding=x") == [1]
    assert passing(gallery, "width=big") == passing(gallery, "tag=t") == [0]
    assert gallery.rows().embeddings.shape[0] == N
    table = FactsTable(
        pd.DataFrame({"picture": after["path"], "label": "x"}, dtype=object), list(range(1, N + 1)), "picture"
    )
    with pytest.raises(UsageError, match="rename the column, such as shop_label"):
        match(gallery, table, columns=["label"])


def test_a_thousand_columns_come_are_found_and_go(gallery: Gallery) -> None:
    bring(gallery, **{f"column {i}": [str(i), "a"] for i in range(1_000)})
    assert len(gallery.manifest()["metadata_keys"]) == 1_000
    assert passing(gallery, "column 999=999") == [0]
    table, keys = gallery.table(), gallery.manifest()["metadata_keys"]
    assert len(facets.fields(table, keys, asked.kinds_of(gallery))) > 900
    with pytest.raises(UsageError, match=r"no field 'column 1000' .* and \d+ more") as error:
        passing(gallery, "column 1000=1")
    assert len(str(error.value)) < 1_000
    assert add_facts.undo(gallery) == 2
    assert asked.kinds_of(gallery) == {}


def test_more_than_a_row_holds_changes_nothing(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="nothing was changed"):
        bring(gallery, **{f"column {i}": ["x" * 100] for i in range(1_000)})
    assert gallery.manifest()["metadata_keys"] == []


def test_ten_thousand_tags_can_be_asked(gallery: Gallery) -> None:
    ids = gallery.table()["id"].tolist()
    said = (
        {"when": "2026-01-01", "kind": "tag", "ids": [ids[i % N]], "value": [f"tag {i}", True]} for i in range(9_999)
    )
    gallery.judgments_file.write_text("".join(map(checksummed.sealed_line, said)), encoding="utf-8")
    tags.tag(gallery, [ids[9_999 % N]], "tag 9999")
    assert len(tags.tags(gallery)) == 10_000
    assert passing(gallery, "tag=tag 25") == [1]
    assert passing(gallery, "tag~tag") == list(range(N))
    assert passing(gallery, "tag!=tag 25") == [i for i in range(N) if i != 1]


def test_a_filter_that_nothing_passes_is_an_empty_answer_everywhere(gallery: Gallery) -> None:
    bring(gallery, price=["1"], tags=["a; b", "b; a"], sold=["yes", "no"], spot=["1, 2", "3, 4"])
    for where in (
        "price>5",
        "tags=z",
        "tags~zz",
        "sold!=yes,no,",
        "spot=80 80",
        "label=lamp",
        "tag=none",
        "price=1 and price=2",
    ):
        assert passing(gallery, where) == []
    done = run("search", gallery.name, "--id", gallery.table()["id"][0], "--where", "tags=z")
    assert (done.returncode, done.stdout) == (0, "")
    assert "passes the filter" in done.stderr


def test_labels_set_to_empty_are_no_labels_and_come_back(gallery: Gallery) -> None:
    before = gallery.table()["label"].tolist()
    ids = gallery.table()["id"].tolist()
    done = run("relabel", gallery.name, "--ids", ",".join(ids), "--label", "")
    assert done.returncode == 0, done.stderr
    assert set(gallery.table()["label"]) == {""}
    assert passing(gallery, "label=") == list(range(N))
    refused = run("evaluate", gallery.name)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "label" in refused.stderr
    assert run("relabel", gallery.name, "--ids", ",".join(ids), "--back").returncode == 0
    assert gallery.table()["label"].tolist() == before
