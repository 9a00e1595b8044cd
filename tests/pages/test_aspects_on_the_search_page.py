"""Colour, texture and meaning as sliders: in the address, on the hits, and offered where they are not known yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.search import aspects
from app.server import jobs
from pipeline.gallery import appearances
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings


def tiles(app: AppTest) -> list[dict]:
    [found] = [node for node in app.get("bidi_component") if "hits" in node.proto.id]
    return [tile for tile in json.loads(found.proto.json)["tiles"] if "id" in tile]


def test_sliders_change_the_order_the_address_and_what_hits_tell(asked: AppTest) -> None:
    asked.run()
    assert "alike" not in tiles(asked)[0]
    assert asked.slider(key="option-aspect-meaning").value == 1
    asked.slider(key="option-aspect-colour").set_value(0.5).run()
    assert not asked.exception
    assert asked.query_params["aspects"] in ("colour=0.5,meaning=1", ["colour=0.5,meaning=1"])
    assert [name for name, _, _ in tiles(asked)[0]["alike"]] == ["colour", "texture", "meaning"]
    assert "% of random pairs" in dict(tiles(asked)[0]["details"])["colour"]
    assert any("by colour 0.5, meaning 1" in caption.value for caption in asked.caption)
    assert asked.selectbox(key="option-rerank").disabled
    asked.slider(key="option-aspect-colour").set_value(0.0).run()
    assert "aspects" not in asked.query_params
    assert "alike" not in tiles(asked)[0]


def test_a_link_repeats_the_weights_and_one_that_cannot_be_read_is_passed_over(asked: AppTest) -> None:
    asked.query_params["aspects"] = "meaning=-0.5,colour=1"
    asked.run()
    assert asked.slider(key="option-aspect-meaning").value == -0.5
    assert "alike" in tiles(asked)[0]
    asked.query_params["aspects"] = "hue=1"
    asked.run()
    assert not asked.exception
    assert not asked.error
    assert "alike" not in tiles(asked)[0]


def test_weights_that_ask_for_nothing_are_the_usual_search(asked: AppTest) -> None:
    asked.query_params["aspects"] = "colour=1"
    asked.run()
    asked.slider(key="option-aspect-colour").set_value(-1.0).run()
    assert not asked.exception
    assert "aspects" not in asked.query_params
    assert len(tiles(asked)) == 11


def test_words_alone_offer_no_aspects_and_a_link_with_both_is_answered(asked: AppTest) -> None:
    del asked.query_params["ids"]
    asked.query_params["aspects"] = "colour=1"
    asked.query_params["texts"] = ["cup"]
    asked.run()
    assert not asked.exception
    assert not [slider for slider in asked.slider if "aspect" in slider.key]


def test_what_is_not_looked_at_yet_is_offered_beside_the_usual_hits(
    asked: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appearances, "FEW", 3)
    begun = []
    monkeypatch.setattr(jobs, "start", lambda command, **about: begun.append((command, about["gallery"])))
    asked.query_params["aspects"] = "colour=1"
    asked.run()
    assert not asked.exception
    assert any("Hits stand in the order of meaning alone" in text.value for text in asked.markdown)
    assert len(tiles(asked)) == 11
    assert "alike" not in tiles(asked)[0]
    next(button for button in asked.button if button.label == "Look at them").click().run()
    assert begun == [(["pipeline", "aspects", "shades"], "shades")]
    appearances.of_gallery(open_gallery("shades", Settings()))
    asked.run()
    assert "alike" in tiles(asked)[0]


def test_an_upload_is_opened_once_for_its_colour(
    asked: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    looks_of = aspects.by_aspect.looks_of
    monkeypatch.setattr(aspects.by_aspect, "looks_of", lambda pictures: opened.append(1) or looks_of(pictures))
    asked.run()
    asked.file_uploader[0].upload("b.png", (tmp_path / "shades" / "blue" / "1.png").read_bytes(), "image/png").run()
    asked.slider(key="option-aspect-colour").set_value(1.0).run()
    asked.slider(key="option-aspect-texture").set_value(0.5).run()
    assert not asked.exception
    assert [tile["label"] for tile in tiles(asked)[:3]] == ["blue"] * 3
    assert len(opened) == 1
