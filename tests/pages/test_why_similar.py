from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pipeline.explain import matched
from pipeline.gallery.opening import open_gallery
from pipeline.rerank import Match
from pipeline.settings import Settings


def ids(label: str) -> list[str]:
    table = open_gallery("shades", Settings()).table()
    return list(table["id"][table["label"] == label])


def asking_why(app: AppTest, query: list[str], hit: str) -> AppTest:
    """The page after a click on "Why similar?" in the details of a hit."""
    app.query_params["gallery"] = "shades"
    app.query_params["ids"] = query
    app.session_state["why"] = hit
    return app.run()


def markup(app: AppTest) -> str:
    return "".join(node.proto.body for node in app.get("html"))


def test_a_hit_is_explained_with_two_heat_maps_and_three_bars(filled: AppTest) -> None:
    query, hit, *_ = ids("red")
    asking_why(filled, [query], hit)
    assert not filled.exception
    assert not filled.error
    shown = markup(filled)
    assert shown.count('class="heat"') == 2
    assert [shown.count(f"<span>{part}</span>") for part in ("Colour", "Texture", "Meaning")] == [1, 1, 1]
    assert shown.count("random pairs") == 3
    assert "Hit 1: red" in shown
    assert "first picture" not in str([caption.value for caption in filled.caption])


def test_it_is_said_once_and_not_at_the_next_run(filled: AppTest) -> None:
    query, hit, *_ = ids("red")
    asking_why(filled, [query], hit).run()
    assert 'class="why-pair"' not in markup(filled)


def test_several_query_pictures_are_explained_by_the_first_and_the_page_says_so(filled: AppTest) -> None:
    query, second, hit, *_ = ids("red")
    asking_why(filled, [query, second], hit)
    assert 'class="why-pair"' in markup(filled)
    assert any("Against the first picture" in caption.value for caption in filled.caption)


def test_an_upload_is_explained_too(filled: AppTest, tmp_path: Path) -> None:
    filled.run()
    asked = (tmp_path / "shades" / "blue" / "1.png").read_bytes()
    filled.file_uploader[0].upload("mine.png", asked, "image/png").run()
    filled.session_state["why"] = ids("blue")[0]
    filled.run()
    assert not filled.exception
    assert markup(filled).count('class="heat"') == 2


def test_a_file_that_is_gone_is_a_sentence(filled: AppTest, tmp_path: Path) -> None:
    query, hit, *_ = ids("red")
    shutil.rmtree(tmp_path / "shades")
    asking_why(filled, [query], hit)
    assert not filled.exception
    assert "is gone or was changed" in filled.error[0].value
    assert 'class="why-pair"' not in markup(filled)


def test_a_picture_that_is_no_hit_opens_nothing(filled: AppTest) -> None:
    asking_why(filled, ids("red")[:1], "f" * 32)
    assert not filled.exception
    assert 'class="why-pair"' not in markup(filled)


def test_an_order_by_places_is_said_and_its_matches_are_drawn(filled: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    query, hit, *_ = ids("red")
    filled.query_params["rerank"] = "patches"
    asking_why(filled, [query], hit)
    assert not filled.exception
    assert any("order is that of the scores" in caption.value for caption in filled.caption), (
        "a histogram has no places"
    )
    assert 'class="why-matched"' not in markup(filled)
    boxes = np.array([[0, 0, 0.5, 0.5]], np.float32)
    monkeypatch.setattr(matched, "compared", lambda *_: Match(0.5, boxes, boxes))
    asking_why(filled, [query], hit)
    assert not filled.exception
    assert markup(filled).count('class="why-matched"') == 1
    assert "1 place matches." in markup(filled)


def test_an_order_whose_library_is_missing_says_what_to_install(
    filled: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    filled.query_params["gallery"] = "shades"
    filled.query_params["ids"] = ids("red")[:1]
    filled.query_params["rerank"] = "geometric"
    filled.run()
    assert not filled.exception
    assert "pip install opencv-python-headless" in filled.error[0].value
