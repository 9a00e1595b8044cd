"""Tags are judgments: given, taken back, and never counted on what is removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gallery import fill, photos

from pipeline.errors import UsageError
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 6))[0]


def test_a_tag_is_given_taken_back_and_kept_in_the_order_it_came(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    assert tags.tags(gallery) == {}
    assert tags.tag(gallery, ids[:3], "  to   check ") == "to check"
    tags.tag(gallery, ids[2:], "Sommer 日本")
    tags.tag(gallery, ids[:1], "to check", given=False)
    assert list(tags.tags(gallery).items()) == [("to check", set(ids[1:3])), ("Sommer 日本", set(ids[2:]))]
    tags.tag(gallery, ids, "to check", given=False)
    assert list(tags.tags(gallery)) == ["Sommer 日本"]


def test_removed_pictures_have_no_tag_until_they_are_restored(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    tags.tag(gallery, ids[:2], "a")
    gallery.remove(ids[:1])
    assert tags.tags(gallery) == {"a": {ids[1]}}
    gallery.restore(ids[:1])
    assert tags.tags(gallery) == {"a": set(ids[:2])}


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b"])
def test_what_is_no_name_is_refused_and_nothing_is_kept(gallery: Gallery, name: str) -> None:
    with pytest.raises(UsageError, match="a tag is a line of 1 to 60 characters"):
        tags.tag(gallery, sorted(gallery.ids()), name)
    assert tags.tags(gallery) == {}
