"""A table's columns come to pictures that are there, stay through later ingests, and go again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_gallery import draw, fill, photos, run

from pipeline.errors import UsageError
from pipeline.filters import mask, parse
from pipeline.gallery.asked import settled
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import add_facts
from pipeline.ingest.facts_files import FactsTable
from pipeline.ingest.facts_matching import Matched, match


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 6))[0]


def matched(gallery: Gallery, rows: list[dict[str, str]], **options: Any) -> Matched:
    table = pd.DataFrame(rows, dtype=object).fillna("")
    return match(gallery, FactsTable(table, list(range(2, 2 + len(rows))), "path"), **options)


def metadata(gallery: Gallery) -> dict[str, dict[str, str]]:
    table = gallery.table()
    return {
        path: {k: v for k, v in row.items() if v} for path, row in zip(table["path"], table["metadata"], strict=True)
    }


def test_a_row_names_its_picture_by_id_path_or_the_name_that_only_one_has(gallery: Gallery) -> None:
    table = gallery.table()
    paths, ids = table["path"].tolist(), table["id"].tolist()
    found = matched(
        gallery,
        [
            {"path": ids[0], "price": "1"},
            {"path": f"./{paths[1]}", "price": "2"},
            {"path": f"C:\\old\\{paths[2]}".replace("/", "\\"), "price": "3"},
            {"path": Path(paths[3]).name, "price": "4"},
            {"path": "nowhere.jpg", "price": "5"},
            {"path": paths[4], "price": ""},
        ],
    )
    assert {picture: said.get("price") for picture, said in found.values.items()} == {
        ids[0]: "1", ids[1]: "2", ids[2]: "3", ids[3]: "4", ids[4]: None,
    }  # fmt: skip
    assert found.by == {"id": 1, "path": 3, "file name": 1}
    assert found.unmatched == [(6, "nowhere.jpg")]


def test_a_name_that_several_pictures_have_matches_none(home: Path, tmp_path: Path) -> None:
    for number, folder in enumerate(("a", "b")):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        draw(tmp_path / "photos" / folder / "1.jpg", number)
    gallery = fill(tmp_path / "photos")[0]
    assert matched(gallery, [{"path": "1.jpg", "price": "1"}]).ambiguous == [(2, "1.jpg")]
    assert matched(gallery, [{"path": "b/1.jpg", "price": "1"}]).by == {"path": 1}


def test_what_was_added_is_found_outlasts_an_ingest_and_goes_again(gallery: Gallery, tmp_path: Path) -> None:
    paths = gallery.table()["path"].tolist()
    before = metadata(gallery)
    add_facts.add(gallery, matched(gallery, [{"path": path, "price": f"{i}.5"} for i, path in enumerate(paths)]))
    add_facts.add(gallery, matched(gallery, [{"path": paths[0], "price": "99", "note": "new"}]))
    fill(tmp_path / "photos")
    table = gallery.table()
    assert set(table["path"][mask(settled(parse(["price=2..5"]), gallery), table)]) == set(paths[2:5])
    assert metadata(gallery)[paths[0]] == before[paths[0]] | {"price": "99", "note": "new"}
    assert add_facts.undo(gallery) == 1
    assert metadata(gallery)[paths[0]] == before[paths[0]] | {"price": "0.5"}
    assert add_facts.undo(gallery) == 6
    assert metadata(gallery) == before
    fill(tmp_path / "photos")
    assert metadata(gallery) == before
    with pytest.raises(UsageError, match="nothing was added"):
        add_facts.undo(gallery)


@pytest.mark.parametrize(
    ("cells", "order", "read", "noted"),
    [
        (["3/5/2024", "13/5/2024"], "", ["2024-05-03", "2024-05-13"], False),
        (["3/5/2024", "3/15/2024 9:30"], "", ["2024-03-05", "2024-03-15 9:30"], False),
        (["3/5/2024", "4/6/2024"], "", ["3/5/2024", "4/6/2024"], True),
        (["3/5/2024", "4/6/2024"], "mdy", ["2024-03-05", "2024-04-06"], False),
        (["13/5/2024", "3/15/2024"], "", ["13/5/2024", "3/15/2024"], True),
        (["3/5/2024", "later", "soon"], "", ["3/5/2024", "later", "soon"], False),
    ],
)
def test_dates_with_slashes_are_read_as_the_column_shows(
    gallery: Gallery, cells: list[str], order: str, read: list[str], noted: bool
) -> None:
    paths = gallery.table()["path"].tolist()
    found = matched(gallery, [{"path": p, "day": cell} for p, cell in zip(paths, cells, strict=False)], dates=order)
    assert [said["day"] for said in found.values.values()] == read
    assert bool(found.notes) == noted


def test_what_no_row_can_hold_changes_nothing(gallery: Gallery) -> None:
    before, path = metadata(gallery), gallery.table()["path"][0]
    for rows, why in (
        ([{"path": path, "note": "x" * 70_000}], "nothing was changed"),
        ([{"path": "nowhere", "note": "x"}], "no row of the table matches"),
    ):
        with pytest.raises(UsageError, match=why):
            add_facts.add(gallery, matched(gallery, rows))
    assert metadata(gallery) == before


def test_the_verb_shows_what_would_match_adds_it_and_takes_it_back(gallery: Gallery, tmp_path: Path) -> None:
    path = gallery.table()["path"][0]
    file = tmp_path / "facts.csv"
    file.write_text(f"File;price;id\n{path};12,50;7\nnowhere.jpg;3;8\n", encoding="utf-8")
    words = ("add-facts", gallery.name, file, "--path", "File")
    planned = run(*words, "--plan")
    assert planned.returncode == 0, planned.stderr
    assert "1 of 2 rows match by File (1 by path), columns price (number), id (number)" in planned.stdout
    assert "row 2: no picture has the name nowhere.jpg" in planned.stderr
    assert "price" not in metadata(gallery)[path]
    assert run(*words).returncode == 0
    assert metadata(gallery)[path]["price"] == "12,50"
    found = run("search", gallery.name, "--id", gallery.table()["id"][1], "--where", "price=12..13 and id=7", "--json")
    assert path in found.stdout
    assert run("add-facts", gallery.name, "--undo").returncode == 0
    assert "price" not in metadata(gallery)[path]
    for wrong in (("add-facts", gallery.name), (*words, "--columns", "cost"), (*words, "--dates", "ymd")):
        refused = run(*wrong)
        assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
