"""The Explore page: how to begin without a gallery, and the duplicates of the one that is chosen."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings


def opened(app: AppTest, **params: str) -> AppTest:
    app.run()
    app.switch_page("views/explore.py")
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert [title.value for title in app.title] == ["Explore"]
    assert not app.exception
    return app


def test_without_a_gallery_it_says_how_to_make_one(app: AppTest) -> None:
    assert any("no gallery yet" in one.value for one in opened(app).markdown)


def test_galleries_of_one_title_are_told_apart(filled: AppTest) -> None:
    """The browser goes by what a choice is called: of two that are called the same it could have the first alone."""
    for name in ("more", "shades"):
        open_gallery(name, Settings()).update(title="Photos")
    app = opened(filled, gallery="more")
    box = next(box for box in app.selectbox if box.label == "Gallery")
    assert sorted(box.options) == ["Photos (more)", "Photos (shades)"]
    assert box.value == "more"


def test_the_gallery_of_the_address_is_shown_and_kept_there(filled: AppTest) -> None:
    app = opened(filled, gallery="more", section="duplicates")
    assert [box.value for box in app.selectbox if box.label == "Gallery"] == ["more"]
    assert any("Not looked for yet" in one.value for one in app.markdown)
    assert any(button.label == "Find duplicates" for button in app.button)
