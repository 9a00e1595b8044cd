"""Sliders, calendars and chips make the clauses that are typed otherwise, and show those that are there."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest
from test_search_page import grid

from pipeline.gallery import opening as galleries
from pipeline.settings import Settings


@pytest.fixture
def opened(asked: AppTest) -> AppTest:
    """The popover is open, and the pictures of `shades` have a day and a price each."""
    gallery = galleries.open_gallery("shades", Settings())
    with gallery.writing():
        ids = gallery.table()["id"].tolist()
        facts = [{"taken": f"2024-05-{1 + i:02d}", "price": f"{i * 1.5}"} for i in range(len(ids))]
        gallery.change_rows({picture: {"metadata": one} for picture, one in zip(ids, facts, strict=True)})
        gallery.update()
    asked.session_state["facets"] = True
    return asked.run()


def widget(app: AppTest, kind: str, title: str):  # type: ignore[no-untyped-def]
    return next(one for one in getattr(app, kind) if one.label.startswith(title))


def labels(app: AppTest) -> set[str]:
    return {tile["label"] for tile in grid(app, "hits")["tiles"] if "label" in tile}


def where(app: AppTest) -> list[str]:
    given = app.query_params.get("where", [])
    return [given] if isinstance(given, str) else list(given)


def test_a_chip_is_a_value_and_counts_follow_the_filter(opened: AppTest) -> None:
    chips = widget(opened, "button_group", "label")
    assert sorted(chips.options) == ["blue 4", "green 4", "red 4"]
    chips.set_value(["blue"]).run()
    assert not opened.exception
    assert where(opened) == ["label=blue"]
    assert labels(opened) == {"blue"}
    assert widget(opened, "button_group", "folder").options == ["blue 4"]
    widget(opened, "button_group", "label").set_value([]).run()
    assert where(opened) == []


def test_a_slider_is_a_range_that_is_open_where_it_touches_its_end(opened: AppTest) -> None:
    widget(opened, "slider", "price").set_value((3.0, 16.5)).run()
    assert not opened.exception
    assert where(opened) == ["price=3.."]
    widget(opened, "slider", "price").set_value((3.0, 9.0)).run()
    assert where(opened) == ["price=3..9"]
    widget(opened, "slider", "price").set_value((0.0, 16.5)).run()
    assert where(opened) == []


def test_a_calendar_is_a_range_of_days_and_shows_the_one_that_was_typed(opened: AppTest) -> None:
    from datetime import date

    widget(opened, "date_input", "taken").set_value((date(2024, 5, 2), date(2024, 5, 5))).run()
    assert not opened.exception
    assert where(opened) == ["taken=2024-05-02..2024-05-05"]
    [box] = [one for one in opened.multiselect if one.label == "Filter"]
    box.set_value(["taken=2024-05-03.."]).run()
    assert widget(opened, "date_input", "taken").value == (date(2024, 5, 3), date(2024, 5, 12))


def test_a_link_with_a_field_that_is_not_here_is_said(opened: AppTest) -> None:
    opened.query_params["where"] = ["colour=red"]
    opened.run()
    assert not opened.exception
    assert {"no field 'colour'" in one.value for one in opened.error} == {True}
