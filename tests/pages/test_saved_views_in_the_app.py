"""Saved views in the app: what is saved, opened by a link, renamed, removed and brought back; and pictures looked through."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from test_search_page import grid

from app.server import visits
from app.widgets import saved_views as dialog
from pipeline import ROOT
from pipeline.gallery import opening, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import SavedView
from pipeline.settings import Settings

MAIN = str(ROOT / "app" / "main.py")


def shades() -> Gallery:
    return opening.open_gallery("shades", Settings())


def labels(app: AppTest, key: str = "passing") -> list[str]:
    return [tile["label"] for tile in grid(app, key)["tiles"] if "label" in tile]


def click(app: AppTest, key: str) -> AppTest:
    next(button for button in app.button if button.key == key).click().run()
    assert not app.exception
    return app


def save(app: AppTest, name: str) -> AppTest:
    click(app, "views")
    next(field for field in app.text_input if field.label == "Save this view as").set_value(name)
    next(button for button in app.button if button.label == "Save").click()
    return click(app, "views")


@pytest.fixture
def green(filled: AppTest) -> AppTest:
    """The Search page, filtered and sorted, with nothing asked."""
    filled.query_params["gallery"] = "shades"
    filled.query_params["where"] = ["label=green"]
    filled.query_params["sort"] = "-path"
    return filled.run()


def test_a_filter_with_nothing_asked_shows_the_pictures_that_pass(green: AppTest) -> None:
    assert not green.exception
    table = shades().table()
    paths = sorted(table["path"][table["label"] == "green"], reverse=True)
    tiles = [tile for tile in grid(green, "passing")["tiles"] if "id" in tile]
    assert [dict(map(tuple, tile["details"]))["file"] for tile in tiles] == paths
    assert any(said.value.startswith("4 of 12 pictures") for said in green.caption)


def test_pages_are_in_the_address_and_another_filter_begins_at_the_first(filled: AppTest) -> None:
    filled.query_params["gallery"] = "shades"
    filled.query_params["sort"] = "path"
    filled.query_params["k"] = "5"
    filled.query_params["page"] = "3"
    filled.run()
    assert len(labels(filled)) == 2, "the last of 12 pictures, five a page"
    next(box for box in filled.multiselect if box.label == "Filter").set_value(["label!=red"]).run()
    assert len(labels(filled)) == 5
    assert "page" not in filled.query_params
    filled.query_params["page"] = "99"
    filled.run()
    assert len(labels(filled)) == 3, "a page that is not there is the last"


def test_groups_are_headings(green: AppTest) -> None:
    green.query_params["where"] = []
    green.query_params["group"] = "label"
    green.run()
    headings = [tile["heading"] for tile in grid(green, "passing")["tiles"] if "heading" in tile]
    assert sorted(headings) == ["blue", "green", "red"]


def test_a_field_that_is_not_here_is_said(green: AppTest) -> None:
    green.query_params["sort"] = "colour"
    green.run()
    assert not green.exception
    assert "no field 'colour'" in green.error[0].value


def test_a_view_is_saved_and_its_link_opens_it_from_any_page(green: AppTest) -> None:
    save(green, "Greens, last first")
    [view] = saved_views.views(shades())
    assert dict(view.params) == {"where": ["label=green"], "sort": ["-path"]}
    assert dialog.said(view) == "Search · label=green · by path, last first"
    other = AppTest.from_file(MAIN, default_timeout=120)
    other.query_params["gallery"] = "shades"
    other.query_params["view"] = view.id
    other.run()
    assert not other.exception
    assert labels(other) == ["green"] * 4
    assert "view" not in other.query_params


def test_a_name_that_is_taken_is_said_and_the_view_stays(green: AppTest) -> None:
    before = saved_views.save(shades(), SavedView("Greens"), {})
    save(green, "Greens")
    assert any("choose another name" in error.value for error in green.error)
    assert saved_views.views(shades()) == [before]


def test_a_removed_view_comes_back_with_undo(green: AppTest) -> None:
    view = saved_views.save(shades(), SavedView("Greens", params={"where": ["label=green"]}), {})
    click(green, "views")
    next(button for button in green.button if button.key == f"remove-{view.id}").click()
    click(green, "views")
    assert saved_views.views(shades()) == []


def test_a_link_to_a_view_that_is_gone_is_said(filled: AppTest) -> None:
    filled.query_params["gallery"] = "shades"
    filled.query_params["view"] = "gone"
    filled.run()
    assert not filled.exception
    assert "no saved view 'gone'" in filled.error[0].value


def test_a_selection_is_part_of_a_view(green: AppTest) -> None:
    ids = sorted(shades().ids())[:3]
    view = SavedView("Three", params={"selection": [saved_views.packed(ids)]})
    assert dialog.said(saved_views.save(shades(), view, {})) == "Search · 3 selected"


def test_an_upload_is_asked_with_again_by_whoever_opens_the_view(
    filled: AppTest, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(visits, "visit", lambda: "first visitor")
    filled.run()
    next(box for box in filled.selectbox if box.label == "Gallery").set_value("shades").run()
    asked = (tmp_path / "shades" / "blue" / "1.png").read_bytes()
    filled.file_uploader[0].upload("mine.png", asked, "image/png").run()
    save(filled, "Like mine")
    [view] = saved_views.views(shades())
    assert list(view.pictures.values()) == ["mine.png"]
    monkeypatch.setattr(visits, "visit", lambda: "another visitor")
    other = AppTest.from_file(MAIN, default_timeout=120)
    other.query_params["gallery"] = "shades"
    other.query_params["view"] = view.id
    other.run()
    assert not other.exception
    assert labels(other, "hits")[:3] == ["blue"] * 3
    page = dialog.export(shades(), view)
    assert page.count("data:image/jpeg;base64,") == 1 + 11


def test_an_export_that_cannot_be_made_is_a_page_that_says_why(filled: AppTest) -> None:
    filled.run()
    view = saved_views.save(shades(), SavedView("gone", params={"ids": ["f" * 32]}), {})
    assert "has no picture" in dialog.export(shades(), view)
    assert "has no map yet" in dialog.export(shades(), SavedView("no map", "explore"))
    assert "has no measurement yet" in dialog.export(shades(), SavedView("none", "evaluate"))
