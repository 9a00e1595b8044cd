"""What is kept of a view, and what becomes of names, damage and pictures that came by upload."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_gallery import fill, photos

from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import integrity, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import MAX_NAME, SavedView


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 6))[0]


def test_a_view_is_found_by_its_name_and_its_id_and_a_new_name_leaves_the_id(gallery: Gallery) -> None:
    made = saved_views.save(gallery, SavedView("  Cheap \n cups ", params={"where": ["label=cup"]}), {})
    assert made.name == "Cheap cups"
    assert saved_views.find(gallery, made.id) == saved_views.find(gallery, "Cheap cups") == made
    renamed = saved_views.rename(gallery, made, "Cups")
    assert saved_views.find(gallery, made.id) == renamed
    assert [view.name for view in saved_views.views(gallery)] == ["Cups"]
    saved_views.remove(gallery, renamed)
    assert saved_views.views(gallery) == []
    with pytest.raises(GalleryError, match="none yet"):
        saved_views.find(gallery, "Cups")


@pytest.mark.parametrize("name", ["", "   ", "x" * (MAX_NAME + 1), "a\u202eb", "bell\x07"])
def test_a_name_that_cannot_be_shown_is_refused_and_nothing_is_kept(gallery: Gallery, name: str) -> None:
    with pytest.raises(UsageError, match="a view has a name of 1 to"):
        saved_views.save(gallery, SavedView(name), {})
    assert saved_views.views(gallery) == []


def test_a_name_is_given_once(gallery: Gallery) -> None:
    first = saved_views.save(gallery, SavedView("cups"), {})
    second = saved_views.save(gallery, SavedView("bowls"), {})
    for attempt in (
        lambda: saved_views.save(gallery, SavedView("cups"), {}),
        lambda: saved_views.rename(gallery, second, "cups"),
    ):
        with pytest.raises(UsageError, match="choose another name"):
            attempt()
    assert saved_views.rename(gallery, first, "cups") == first


def test_an_upload_is_kept_with_its_view_and_goes_with_it(gallery: Gallery) -> None:
    view = SavedView("mine", params={"upload": ["0123abcd@1,2,30,40"]}, pictures={"0123abcd": "mine.png"})
    made = saved_views.save(gallery, view, {"0123abcd": b"bytes of a picture"})
    assert saved_views.picture(gallery, made, "0123abcd") == b"bytes of a picture"
    saved_views.remove(gallery, made)
    assert not saved_views.folder(gallery, made).exists()
    saved_views.save(gallery, made, {"0123abcd": b"bytes of a picture"})
    assert saved_views.find(gallery, made.id) == made, "as Undo brings it back"


@pytest.mark.parametrize(
    "changed",
    ["{ torn", '{"name": "cups"}', json.dumps({"name": "cups", "page": "search", "params": {"where": [5]}})],
)
def test_a_damaged_view_is_named_and_hides_no_other(gallery: Gallery, changed: str) -> None:
    good = saved_views.save(gallery, SavedView("good"), {})
    bad = saved_views.save(gallery, SavedView("cups"), {})
    file = saved_views.folder(gallery, bad) / "view.json"
    if changed == '{"name": "cups"}':
        changed = file.read_text().replace('"search"', '"explore"')
    file.write_text(changed)
    assert [view.id for view in saved_views.views(gallery)] == [good.id]
    [problem] = saved_views.damaged(gallery)
    assert bad.id in problem
    assert problem in integrity.check_files(gallery)


def test_what_a_killed_process_left_of_a_view_goes_with_the_next_change(gallery: Gallery) -> None:
    kept = saved_views.save(gallery, SavedView("cups"), {})
    place = saved_views.folder(gallery, kept)
    half = place.with_name("0123456789ab")
    half.mkdir()
    (half / "0123abcd").write_bytes(b"a picture, and no view.json yet")
    (place / ".view.json.1-0.tmp").write_text("{")
    saved_views.rename(gallery, kept, "bowls")
    assert [file.name for file in place.parent.rglob("*")] == [place.name, "view.json"]
    half.mkdir()
    saved_views.remove(gallery, kept)
    assert list(place.parent.iterdir()) == []
