"""Filters that are typed into the box of the Search page, kept in its address, or refused in a sentence beside it."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest
from test_search_page import grid


def labels(app: AppTest) -> set[str]:
    return {tile["label"] for tile in grid(app, "hits")["tiles"] if "label" in tile}


def test_a_filter_is_typed_and_the_address_keeps_it(asked: AppTest) -> None:
    asked.run()
    [box] = [one for one in asked.multiselect if one.label == "Filter"]
    box.set_value(["width>=40 and not label~red"]).run()
    assert not [*asked.exception, *asked.error]
    assert labels(asked) == {"green", "blue"}
    assert asked.query_params["where"] == "width>=40 and not label~red"


def test_what_cannot_be_asked_is_said_beside_the_box_and_the_rest_stays(asked: AppTest) -> None:
    asked.run()
    [box] = [one for one in asked.multiselect if one.label == "Filter"]
    box.set_value(["label=blue", "width>=wide"]).run()
    assert not asked.exception
    assert "'wide' is neither a number nor a date" in asked.error[0].value
    assert labels(asked) == {"blue"}
    [box] = [one for one in asked.multiselect if one.label == "Filter"]
    assert box.value == ["label=blue"]
    box.set_value([]).run()
    assert not asked.error


def test_an_old_address_opens_with_the_filter_it_had(asked: AppTest) -> None:
    asked.query_params["where"] = ["label=blue", "label=green", "split!=test"]
    asked.run()
    assert not [*asked.exception, *asked.error]
    assert labels(asked) == {"green", "blue"}


def test_hits_are_sorted_and_grouped_by_a_fact_and_the_address_keeps_it(asked: AppTest) -> None:
    asked.run()
    [by] = [one for one in asked.selectbox if one.label == "Sort the hits"]
    by.set_value("-label").run()
    given = [tile["label"] for tile in grid(asked, "hits")["tiles"] if "label" in tile]
    assert given == sorted(given, reverse=True)
    assert asked.query_params["sort"] == "-label"
    [group] = [one for one in asked.selectbox if one.label == "Group the hits"]
    group.set_value("folder").run()
    headings = [tile["heading"] for tile in grid(asked, "hits")["tiles"] if "heading" in tile]
    assert headings == ["red", "green", "blue"]
    assert not [*asked.exception, *asked.error]
