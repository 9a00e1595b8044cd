"""Likes and dislikes of a search become triplets that stay, until they are taken back or contradicted."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gallery import fill, photos

from pipeline.errors import UsageError
from pipeline.gallery import feedback
from pipeline.gallery.gallery import Gallery


@pytest.fixture
def made(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 6))[0]


def test_the_picture_that_asked_is_the_anchor_of_each(made: Gallery) -> None:
    assert feedback.keep(made, ids=["q"], like=["a", "b"], unlike=["x", "y"]) == 4
    assert sorted(feedback.kept(made)[0]) == [("q", near, far) for near in "ab" for far in "xy"]


def test_without_one_the_liked_are_compared_with_each_other(made: Gallery) -> None:
    assert feedback.keep(made, ids=[], like=["a", "b"], unlike=["x"]) == 2
    assert sorted(feedback.kept(made)[0]) == [("a", "b", "x"), ("b", "a", "x")]


@pytest.mark.parametrize(("like", "unlike"), [(["a"], ["x"]), (["a", "b"], []), ([], ["x"])])
def test_what_makes_no_triplet_is_refused_and_keeps_nothing(made: Gallery, like: list[str], unlike: list[str]) -> None:
    with pytest.raises(UsageError, match="a judgment needs a picture that is liked"):
        feedback.keep(made, ids=[], like=like, unlike=unlike)
    assert feedback.kept(made) == ([], 0)


def test_taken_back_it_is_as_if_never_said(made: Gallery) -> None:
    feedback.keep(made, ids=["q"], like=["a"], unlike=["x"])
    feedback.take_back(made, [("q", "a", "x")])
    assert feedback.kept(made) == ([], 0)


def test_of_two_that_contradict_each_other_the_later_counts(made: Gallery) -> None:
    feedback.keep(made, ids=["q"], like=["a"], unlike=["x"])
    feedback.keep(made, ids=["q"], like=["x"], unlike=["a"])
    assert feedback.kept(made) == ([("q", "x", "a")], 2)
