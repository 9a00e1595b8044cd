from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.explore import oddity_rows
from app.explore.oddities import flat
from app.server import jobs, store
from pipeline.analysis import label_errors, outliers
from pipeline.gallery import judgments, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.settings import Settings
from tests.duplicates.test_duplicates import save
from tests.pages.conftest import COLOURS
from tests.tiny_gallery import fill

PAGE = """
import streamlit as st
from app.server import resources
from app.explore.oddities import oddities_section
st.title("Explore")
oddities_section(resources.gallery("small"))
"""


def shades(root: Path, *, labelled: bool = True) -> str:
    """A dataset of three colours in six shades each, one red picture labelled blue and one label on one picture."""
    from PIL import Image

    lines = ["path,label"]
    for colour, channels in COLOURS.items():
        for shade in range(6):
            tinted = tuple(min(255, part + 7 * shade) for part in channels)
            save(Image.new("RGB", (40, 30), tinted), root / f"{colour}-{shade}.png")
            label = {"red-2": "blue", "green-5": "unicorn"}.get(f"{colour}-{shade}", colour)
            lines.append(f"{colour}-{shade}.png,{label if labelled else ''}")
    (root / "table.csv").write_text("\n".join(lines))
    return f"table:file={root / 'table.csv'}"


@pytest.fixture
def gallery(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    monkeypatch.setattr(store, "judged", lambda gallery, ids: None)
    return fill(shades(tmp_path / "photos"))[0]


def found(gallery: Gallery) -> str:
    """Both lists; returns the id of the picture with the wrong label, which is the only one doubted first."""
    outliers.find(gallery, k=3)
    table = reports.table(gallery, label_errors.find(gallery, k=5))
    assert table["path"][0] == "red-2.png"
    return str(table["id"][0])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of jobs instead of the jobs."""
    commands: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, *, title, gallery: commands.append(command))
    return commands


def shown() -> AppTest:
    page = AppTest.from_string(PAGE, default_timeout=120).run()
    assert not page.exception
    assert page.title[0].value == "Explore"
    assert page.subheader[0].value == "Label errors and outliers"
    return page


def click(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception
    return page


def buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def drawn(page: AppTest) -> str:
    return "".join(one.proto.body for one in page.get("html"))


def choose(page: AppTest, kind: str) -> AppTest:
    page.get("button_group")[0].set_value(kind)
    page.run()
    assert not page.exception
    return page


def test_before_the_first_search_a_button_starts_both(gallery: Gallery, started: list) -> None:
    page = shown()
    assert "Not looked for yet" in page.markdown[0].value
    click(page, "Find")
    assert started == [["pipeline", "oddities", "small"]]


def test_a_gallery_without_pictures_says_how_to_fill_it(home: Path) -> None:
    create_gallery("small", Settings())
    page = shown()
    assert "holds no pictures yet; run: python -m pipeline ingest small" in page.info[0].value
    assert buttons(page) == []


def test_a_likely_label_error_is_shown_with_the_neighbours_that_disagree(gallery: Gallery) -> None:
    wrong = found(gallery)
    page = shown()
    first = drawn(page).index(f"/app/static/thumbnails/small/{wrong}.jpg")
    assert "of similar pictures are labelled <strong>red</strong>" in drawn(page)[:first]
    assert drawn(page).index("✗ ") > first
    assert 'class="wrong"' in drawn(page)
    assert buttons(page)[:3] == ["Relabel as red", "Label is right", "Remove"]
    assert f"gallery=small&amp;ids={wrong}" in drawn(page)  # a click searches with it


def test_a_label_that_is_right_is_remembered_until_it_is_undone(gallery: Gallery) -> None:
    wrong = found(gallery)
    page = click(shown(), "Label is right")
    assert label_errors.judged_right(gallery) == {wrong: "blue"}
    assert any(text.value.startswith("**The label is right.**") for text in page.markdown)
    again = label_errors.find(gallery, k=5)
    assert wrong not in set(reports.table(gallery, again)["id"])
    reports.delete(gallery, again)
    click(page, "Undo")
    assert label_errors.judged_right(gallery) == {}
    assert "Label is right" in buttons(page)[:2]


def test_one_click_gives_the_label_that_the_neighbours_say_and_undo_takes_it_back(gallery: Gallery) -> None:
    wrong = found(gallery)
    page = click(shown(), "Relabel as red")
    assert judgments.labels(gallery.judgments_file) == {wrong: "red"}
    assert any("Labelled **red** now" in text.value for text in page.markdown)
    click(page, "Undo")
    assert judgments.labels(gallery.judgments_file) == {}
    assert buttons(page)[0] == "Relabel as red"


@pytest.mark.parametrize("kind", [label_errors.KIND, outliers.KIND])
def test_a_picture_is_removed_and_undo_brings_it_back_in_the_same_place(gallery: Gallery, kind: str) -> None:
    found(gallery)
    first = reports.table(gallery, reports.names(gallery, kind)[0])["id"][0]
    page = click(choose(shown(), kind), "Remove")
    assert gallery.removed() == {first}
    assert any(text.value.startswith("**Removed**") for text in page.markdown)
    assert buttons(page)[0] == "Undo"
    click(page, "Undo")
    assert gallery.removed() == set()
    assert "Undo" not in buttons(page)


def test_outliers_come_with_how_far_they_are_and_a_histogram(gallery: Gallery) -> None:
    found(gallery)
    page = choose(shown(), outliers.KIND)
    assert drawn(page).count("Farther than <strong>all others</strong>") == 1
    assert "% of the others</strong>" in drawn(page)
    assert "Label is right" not in buttons(page)
    [chart] = [json.loads(one.proto.spec) for one in page.get("plotly_chart")]
    assert chart["layout"]["title"]["text"] == "Closeness"
    assert chart["layout"]["xaxis"]["title"]["text"] == "mean score to the nearest others"
    assert len(page.get("download_button")) == 2


def test_the_only_picture_of_a_label_is_said(gallery: Gallery) -> None:
    found(gallery)
    page = shown()
    assert page.expander[0].label == "The only picture of its label: 1"
    assert page.dataframe[0].value["label"].tolist() == ["unicorn"]


def test_the_list_has_pages(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oddity_rows, "AT_ONCE", 4)
    found(gallery)
    page = choose(shown(), outliers.KIND)
    assert buttons(page).count("Remove") == 4
    assert len(page.get("pagination")) == 1


def test_without_labels_there_are_outliers_and_a_word_on_the_other_list(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(shades(tmp_path / "photos", labelled=False))
    outliers.find(gallery)
    page = shown()
    assert "needs pictures of two labels or more" in page.info[0].value
    assert "Remove" in buttons(page)


def test_a_list_with_nothing_in_it_says_so(home: Path, tmp_path: Path) -> None:
    shades(tmp_path / "photos")
    (tmp_path / "photos" / "table.csv").write_text(
        "path,label\n" + "\n".join(f"{c}-{n}.png,{c}" for c in COLOURS for n in range(6))
    )
    gallery, _ = fill(f"table:file={tmp_path / 'photos' / 'table.csv'}")
    label_errors.find(gallery, k=5)
    page = shown()
    assert page.success[0].value == "No picture of 18 has neighbours that prefer another label."


@pytest.mark.parametrize("content", ["", '{"kind": "label-errors"}'])
def test_a_damaged_report_is_a_warning_and_finding_again_is_offered(gallery: Gallery, content: str) -> None:
    name = label_errors.find(gallery, k=5)
    (gallery.root / "reports" / f"{name}.json").write_text(content)
    page = shown()
    assert "damaged" in page.warning[0].value
    assert buttons(page)[-1] in ("Find again", "Find")


def test_a_missing_table_is_a_warning_too(gallery: Gallery) -> None:
    name = label_errors.find(gallery, k=5)
    (gallery.root / "reports" / f"{name}.parquet").unlink()
    page = shown()
    assert "cannot be read" in page.warning[0].value
    assert buttons(page) == ["Find again"]


def test_labels_are_text_and_never_markup(home: Path, tmp_path: Path) -> None:
    spec = shades(tmp_path / "photos")
    table = tmp_path / "photos" / "table.csv"
    table.write_text(table.read_text().replace(",blue", ",<b>x"))
    gallery, _ = fill(spec)
    found(gallery)
    assert "<b>x" not in drawn(shown())


def test_the_csv_has_a_row_for_each_picture_with_its_neighbours_as_text(gallery: Gallery) -> None:
    found(gallery)
    table = reports.table(gallery, reports.names(gallery, outliers.KIND)[0])
    made: Any = flat(table)
    assert len(made) == 18
    assert made["hits"][0].split() == table["hits"][0].tolist()
