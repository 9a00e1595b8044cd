from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.server import encoders, resources
from pipeline.gallery.opening import open_gallery
from pipeline.images import decoding
from pipeline.settings import Settings


def grid(app: AppTest, key: str) -> dict:
    """What the results grid of this key was given."""
    [found] = [node for node in app.get("bidi_component") if key in node.proto.id]
    return json.loads(found.proto.json)


def scores(app: AppTest) -> list[str]:
    return [tile["score"] for tile in grid(app, "hits")["tiles"] if "score" in tile]


def test_the_first_run_offers_three_ways_in(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert app.title[0].value == "Search by picture"
    assert [button.label for button in app.button] == ["Make the demo gallery", "Choose a folder", "Upload pictures"]


def test_a_filled_home_shows_examples_of_its_first_gallery(filled: AppTest) -> None:
    filled.run()
    assert not filled.exception
    assert filled.selectbox[0].options == ["More shades", "Shades"]
    assert len(grid(filled, "examples-grid")["tiles"]) == 12


def test_an_upload_finds_its_own_shades_first(filled: AppTest, tmp_path: Path) -> None:
    filled.run()
    asked = (tmp_path / "shades" / "blue" / "1.png").read_bytes()
    filled.file_uploader[0].upload("mine.png", asked, "image/png").run()
    assert not filled.exception
    hits = [tile for tile in grid(filled, "hits")["tiles"] if "id" in tile]
    assert [hit["label"] for hit in hits[:3]] == ["blue", "blue", "blue"]
    assert len(hits) == 11, "the uploaded file itself is in the gallery and is no hit of itself"
    assert scores(filled) == sorted(scores(filled), reverse=True)


def test_a_file_that_is_no_picture_is_refused_in_a_sentence(filled: AppTest) -> None:
    filled.run()
    filled.file_uploader[0].upload("notes.jpg", b"not a picture at all", "image/jpeg").run()
    assert not filled.exception
    assert "notes.jpg" in filled.error[0].value
    assert "examples-grid" in str([node.proto.id for node in filled.get("bidi_component")])


def test_an_address_repeats_a_search(filled: AppTest) -> None:
    gallery = open_gallery("shades", Settings())
    table = gallery.table()
    red = table["id"][table["label"] == "red"].iloc[0]
    filled.query_params["gallery"] = "shades"
    filled.query_params["ids"] = [red]
    filled.query_params["where"] = ["label!=red"]
    filled.query_params["k"] = "12"
    filled.run()
    assert not filled.exception
    labels = {tile["label"] for tile in grid(filled, "hits")["tiles"] if "id" in tile}
    assert labels == {"green", "blue"}


def test_an_address_made_for_an_upload_asks_for_it_again(filled: AppTest) -> None:
    filled.query_params["gallery"] = "shades"
    filled.query_params["upload"] = "deadbeef"
    filled.run()
    assert "Drop it here" in filled.info[0].value


def test_a_bad_address_shows_the_page_all_the_same(filled: AppTest) -> None:
    filled.query_params["gallery"] = "../../etc"
    filled.query_params["where"] = ["nonsense"]
    filled.query_params["k"] = "-5"
    filled.query_params["collapse"] = "many"
    filled.run()
    assert not filled.exception
    assert filled.title[0].value == "Search by picture"


def test_an_unknown_picture_in_the_address_is_said(filled: AppTest) -> None:
    filled.query_params["gallery"] = "shades"
    filled.query_params["ids"] = ["f" * 32]
    filled.run()
    assert not filled.exception
    assert "has no picture" in filled.error[0].value


def test_a_filter_that_lets_nothing_through_says_what_to_do(filled: AppTest) -> None:
    red = open_gallery("shades", Settings()).table()["id"].iloc[0]
    filled.query_params["gallery"] = "shades"
    filled.query_params["ids"] = [red]
    filled.query_params["where"] = ["label=purple"]
    filled.run()
    assert not filled.exception
    assert "Take a filter away" in filled.info[0].value


def test_a_removed_picture_is_in_no_answer(filled: AppTest) -> None:
    gallery = open_gallery("shades", Settings())
    first, second = gallery.table()["id"].iloc[:2]
    gallery.remove([second])
    filled.query_params["gallery"] = "shades"
    filled.query_params["ids"] = [first]
    filled.run()
    assert second not in [tile.get("id") for tile in grid(filled, "hits")["tiles"]]


def test_one_damaged_gallery_does_not_hide_the_others(filled: AppTest) -> None:
    (Settings().galleries / "more" / "gallery.json").write_text("{ torn")
    filled.run()
    assert not filled.exception
    assert filled.selectbox[0].options == ["Shades"]
    filled.switch_page("views/galleries.py").run()
    assert not filled.exception
    assert "more" in filled.error[0].value


def test_after_an_upload_nothing_is_decoded_or_encoded_again(
    filled: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []

    def noted(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: (work.append(kind), function(*args, **options))[1]

    encoders.of_gallery(resources.gallery("more"))  # as after the start
    monkeypatch.setattr(encoders.OneAtATime, "encode", noted("encode", encoders.OneAtATime.encode))
    monkeypatch.setattr(decoding, "decode", noted("decode", decoding.decode))
    filled.run()
    own = io.BytesIO()
    Image.new("RGB", (64, 48), (41, 60, 199)).save(own, "PNG")
    filled.file_uploader[0].upload("mine.png", own.getvalue(), "image/png").run()
    assert sorted(work) == ["decode", "encode"]
    assert len(scores(filled)) == 12
    work.clear()
    filled.multiselect[0].set_value(["label=blue"]).run()
    assert len(scores(filled)) == 4
    asked = filled.session_state["ask"]
    filled.session_state["ask"] = replace(asked, like=(grid(filled, "hits")["tiles"][0]["id"],))
    filled.run()
    assert grid(filled, "hits")["like"]
    filled.switch_page("views/explore.py").run()
    filled.switch_page("views/search.py").run()
    assert len(scores(filled)) == 4
    assert work == [], "a filter, a like, another page and back need nothing of the picture"
