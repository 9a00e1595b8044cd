"""The tray of selected pictures: what its dialogs do to the gallery, and what an address of a selection holds."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.widgets import selection
from pipeline.gallery import judgments, saved_views, tags
from pipeline.gallery import opening as galleries
from pipeline.gallery.gallery import Gallery
from pipeline.settings import Settings


def shades() -> Gallery:
    return galleries.open_gallery("shades", Settings())


def asked(app: AppTest, what: str, ids: list[str]) -> AppTest:
    """As the button `what` of the tray does; its click comes from the browser, and the dialog is opened by each whole run."""
    app.query_params["gallery"] = "shades"
    app.session_state["tray-dialog"] = (what, ids)
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def test_a_selection_is_relabelled_and_undo_takes_it_back(filled: AppTest) -> None:
    ids = shades().table().query("label == 'red'")["id"].tolist()[:2]
    app = asked(filled, "relabel", ids)
    assert any("**2 pictures**, labelled red 2" in text.value for text in app.markdown)
    next(box for box in app.selectbox if box.label == "New label").set_value("blue")
    asked(app, "relabel", ids)
    next(button for button in app.button if button.label == "Relabel").click()
    asked(app, "relabel", ids)
    assert judgments.labels(shades().judgments_file) == dict.fromkeys(ids, "blue")
    assert set(shades().table().set_index("id").loc[ids, "label"]) == {"blue"}
    app.run()
    assert any("2 pictures labelled blue." in text.value for text in app.markdown)
    press(app, "Undo")
    assert judgments.labels(shades().judgments_file) == {}


def test_a_selection_is_tagged_and_the_tag_taken_back(filled: AppTest) -> None:
    ids = sorted(shades().ids())[:3]
    app = asked(filled, "tag", ids)
    next(field for field in app.text_input if field.key == "tray-tag").set_value("to *check*")
    asked(app, "tag", ids)
    next(button for button in app.button if button.label == "Save").click()
    asked(app, "tag", ids)
    assert tags.tags(shades()) == {"to *check*": set(ids)}
    asked(app, "tag", ids)
    next(button for button in app.button if button.key == "tray-untag-to *check*").click().run()
    assert tags.tags(shades()) == {}


def test_an_address_holds_a_selection_and_nothing_else() -> None:
    ids = [f"{number:032x}" for number in (0, 1, 2**128 - 1)]
    text = saved_views.packed(ids)
    assert saved_views.unpacked(text) == ids
    assert text.isascii()
    assert not set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("text", ["", "nonsense", "AAAA", "Ä", "A" * 22 + "\n", "AAAA" * 40_000])
def test_what_is_no_selection_is_passed_over(text: str) -> None:
    assert saved_views.unpacked(text) == []


def test_a_tick_shows_any_name_as_text() -> None:
    made = selection.tick("photos", "0" * 32, '"><script>alert(1)</script>')
    assert "<script>" not in made
    assert made.count("<") == 2
