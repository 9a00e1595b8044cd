"""Two answers to one query beside each other, by link and by options, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.gallery import preferences
from pipeline.gallery.opening import open_gallery
from pipeline.gallery.preferences import Tally
from pipeline.settings import Settings


def sides(app: AppTest) -> list[dict]:
    [found] = [node for node in app.get("bidi_component") if "both" in node.proto.id]
    return json.loads(found.proto.json)["sides"]


def press(app: AppTest, better: str) -> None:
    app.button(key=f"better-{better}").click().run()


def says(app: AppTest) -> list[str]:
    return [text.value for text in (*app.markdown, *app.caption)]


def test_a_link_shows_both_and_what_they_share(asked: AppTest) -> None:
    asked.query_params["beside"] = "order:diverse"
    asked.query_params["k"] = "9"
    asked.run()
    assert not asked.exception
    left, right = sides(asked)
    assert (left["title"], right["title"]) == ("By score alone", "Diverse")
    both = len({tile["id"] for tile in left["tiles"]} & {tile["id"] for tile in right["tiles"]})
    assert both < 9, "this order has other pictures too"
    assert any(f"Both answers have {both} of 9 pictures" in text for text in says(asked))
    orders = [[tile["id"] for tile in side["tiles"]] for side in (left, right)]
    assert orders[0] != orders[1], "this order is another one"


def test_what_is_better_is_kept_counted_and_taken_back(asked: AppTest) -> None:
    asked.query_params["beside"] = "order:diverse"
    asked.run()
    press(asked, "second")
    assert not asked.exception
    gallery = open_gallery("shades", Settings())
    assert preferences.tallies(gallery) == [Tally(("color_histogram, diverse", "color_histogram, none"), first=1)]
    assert "So far: left 0, alike 0, right 1" in says(asked)
    press(asked, "alike")
    assert [(one.first, one.alike) for one in preferences.tallies(gallery)] == [(0, 1)]
    press(asked, "alike")
    assert preferences.tallies(gallery) == []
    assert "So far: nobody has said" in says(asked)


def test_a_gallery_of_the_same_pictures_is_offered_and_answers(asked: AppTest) -> None:
    asked.run()
    chosen = asked.selectbox(key="option-beside")
    assert "Gallery: More shades" in chosen.options
    chosen.set_value("gallery:more").run()
    assert not asked.exception
    assert [side["title"] for side in sides(asked)] == ["Shades, by score alone", "More shades, by score alone"]
    assert asked.query_params["beside"] in ("gallery:more", ["gallery:more"])
    assert asked.button(key="better-first").disabled, "one encoder and one order gave both"
    asked.selectbox(key="option-beside").set_value("").run()
    assert "beside" not in asked.query_params


def test_a_gallery_of_other_pictures_is_not_offered(asked: AppTest, tmp_path: Path) -> None:
    from tiny_gallery import fill, photos

    fill(photos(tmp_path / "others", 6), name="others")
    asked.run()
    assert not any("others" in name for name in asked.selectbox(key="option-beside").options)


@pytest.mark.parametrize("beside", ["gallery:nowhere", "gallery:../etc", "gallery:A B"])
def test_a_link_to_a_gallery_that_is_not_there_is_said(asked: AppTest, beside: str) -> None:
    asked.query_params["beside"] = beside
    asked.run()
    assert not asked.exception
    assert asked.error[0].value.startswith("No second answer")
    [grid] = [node for node in asked.get("bidi_component") if "hits" in node.proto.id]
    assert len(json.loads(grid.proto.json)["tiles"]) == 11, "the first answer is there"


@pytest.mark.parametrize("beside", ["order:best", "nothing", "gallery:", ":"])
def test_a_link_that_cannot_be_read_is_passed_over(asked: AppTest, beside: str) -> None:
    asked.query_params["beside"] = beside
    asked.run()
    assert not asked.exception
    assert not asked.error
    assert "Which is better?" not in says(asked)


def test_with_and_without_aspects(asked: AppTest) -> None:
    asked.query_params["beside"] = "order:"
    asked.query_params["aspects"] = "colour=1"
    asked.run()
    assert not asked.exception
    assert [side["title"] for side in sides(asked)] == ["By colour 1", "By score alone"]
