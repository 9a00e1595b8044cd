from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from test_search_page import grid

from app.server import jobs
from pipeline.analysis import to_label
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from tests.tiny_gallery import fill, photos

PAGE = """
import streamlit as st
from app.server import resources
from app.explore.to_label import to_label_section
st.title("Explore")
to_label_section(resources.gallery("small"))
"""


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """Twelve pictures of three labels, six of them taken away again."""
    made = fill(photos(tmp_path / "photos", 12))[0]
    made.relabel(dict.fromkeys(made.table()["id"][:6], ""))
    return made


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of jobs instead of the jobs."""
    commands: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, *, title, gallery: commands.append(command))
    return commands


def drawn() -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=120).run()
    assert app.title[0].value == "Explore"
    assert not app.exception
    return app


def test_nothing_is_chosen_until_somebody_asks(gallery: Gallery, started: list[list[str]]) -> None:
    app = drawn()
    app.number_input[0].set_value(4)
    app.selectbox[0].set_value("diverse").run()
    [button] = [one for one in app.button if one.label == "Choose pictures"]
    button.click().run()
    assert started == [["pipeline", "to-label", "small", "--count", "4", "--by", "diverse"]]


def test_the_choice_is_shown_with_what_it_covers(gallery: Gallery) -> None:
    name = to_label.choose(gallery, 4)
    app = drawn()
    assert [tile["id"] for tile in grid(app, "to-label-grid")["tiles"]] == reports.table(gallery, name)["id"].tolist()
    assert "4 of 6 pictures" in app.markdown[0].value
    assert "than with random picks" in app.caption[0].value
    chosen = reports.table(gallery, name)["id"].tolist()
    gallery.relabel({chosen[0]: "vase"})
    assert "1 have a label by now" in drawn().caption[0].value


def test_a_gallery_whose_pictures_all_have_labels_is_chosen_from_whole(
    gallery: Gallery, started: list[list[str]]
) -> None:
    gallery.relabel(dict.fromkeys(gallery.table()["id"], "vase"))
    app = drawn()
    assert "uncertain" not in app.selectbox[0].options
    [button] = [one for one in app.button if one.label == "Choose pictures"]
    button.click().run()
    assert started[0][-1] == "--all"


def test_a_damaged_choice_is_said_and_another_is_offered(gallery: Gallery) -> None:
    name = to_label.choose(gallery, 4)
    (gallery.root / "reports" / f"{name}.parquet").write_bytes(b"x")
    app = drawn()
    assert "cannot be drawn" in app.warning[0].value
    assert [one.label for one in app.button if "Choose" in one.label] == ["Choose again"]


def test_labels_of_another_tool_are_looked_at_taken_and_taken_back(gallery: Gallery) -> None:
    to_label.choose(gallery, 3)
    before = gallery.table()["label"].tolist()
    rows = [{"picture": picture, "label": "lamp"} for picture in gallery.table()["id"][:2]] + [
        {"path": "nowhere.png", "label": "x"}
    ]
    app = drawn()
    app.file_uploader[0].upload("export.json", json.dumps(rows).encode(), "application/json").run()
    assert not app.exception
    assert any("**2 labels**, 2 of them new." in said.value for said in app.markdown)
    assert any("such as nowhere" in said.value for said in app.caption)
    assert gallery.table()["label"].tolist() == before
    next(button for button in app.button if button.label == "Take 2").click().run()
    assert gallery.table()["label"].tolist() == ["lamp", "lamp", *before[2:]]
    next(button for button in app.button if button.key == "labels-undo").click().run()
    assert not app.exception
    assert gallery.table()["label"].tolist() == before


def test_what_no_tool_writes_is_said_and_the_choice_stays(gallery: Gallery) -> None:
    to_label.choose(gallery, 3)
    app = drawn()
    app.file_uploader[0].upload("export.json", b"{ torn", "application/json").run()
    assert not app.exception
    assert any("is no export of Label Studio" in said.value for said in app.error)
    assert grid(app, "to-label-grid")["tiles"]
