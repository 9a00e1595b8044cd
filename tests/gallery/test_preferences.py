"""Which of two answers was better: counted by what gave them, the last word on a query counting."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tiny_gallery import fill, photos, run

from pipeline.errors import UsageError
from pipeline.gallery import judgments, preferences
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.preferences import ALIKE, FIRST, SECOND, TAKEN_BACK, Tally

WAYS = ("net, query_expansion", "net, none")


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 3))[0]


def say(gallery: Gallery, query: str, better: str, ways: tuple[str, str] = WAYS) -> None:
    preferences.keep(gallery, asked=[query], ways=ways, better=better)


def test_each_query_counts_once_with_what_was_said_last(gallery: Gallery) -> None:
    for better in (SECOND, ALIKE, FIRST):
        say(gallery, "a", better)
    say(gallery, "b", FIRST)
    say(gallery, "c", ALIKE)
    say(gallery, "d", SECOND)
    assert preferences.tallies(gallery) == [Tally(("net, none", "net, query_expansion"), first=1, second=2, alike=1)]
    assert preferences.kept(gallery, asked=["a"], ways=WAYS) == FIRST


def test_it_does_not_matter_which_stood_left(gallery: Gallery) -> None:
    say(gallery, "a", FIRST)
    say(gallery, "a", SECOND, WAYS[::-1])  # the same one again, seen from the other side
    assert preferences.tallies(gallery) == [Tally(("net, none", "net, query_expansion"), second=1)]
    assert preferences.kept(gallery, asked=["a"], ways=WAYS[::-1]) == SECOND


def test_what_is_taken_back_is_as_if_it_had_not_been_said(gallery: Gallery) -> None:
    say(gallery, "a", FIRST)
    say(gallery, "a", TAKEN_BACK)
    assert preferences.tallies(gallery) == []
    assert preferences.kept(gallery, asked=["a"], ways=WAYS) == ""


def test_two_answers_of_one_way_cannot_be_judged(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="choose another order or gallery"):
        say(gallery, "a", FIRST, (WAYS[0], WAYS[0]))


@pytest.mark.parametrize("value", [True, "first", ["a", "b"], ["a", "b", "best"], [1, 2, "first"], None])
def test_a_judgment_that_is_written_otherwise_is_passed_over(gallery: Gallery, value: object) -> None:
    judgments.add(gallery.judgments_file, preferences.KIND, ["a"], value)
    assert preferences.tallies(gallery) == []


def test_the_share_is_of_those_that_decide() -> None:
    share, low, high = Tally(WAYS, first=3, second=1, alike=6).share
    assert share == 0.75
    assert low < 0.75 < high
    assert all(map(math.isnan, Tally(WAYS, alike=6).share))


def test_the_command_line_counts_them(gallery: Gallery) -> None:
    assert "nobody said" in run("preferences", "small").stdout
    say(gallery, "a", FIRST)
    say(gallery, "b", ALIKE)
    assert run("preferences", "small").stdout.splitlines() == [
        "2 queries: net, none against net, query_expansion",
        "  first better 0, second better 1, alike 1; 0% of those that decide for the first (95 %: 0% to 79%)",
    ]
    [told] = json.loads(run("preferences", "small", "--json").stdout)["preferences"]
    assert told["ways"] == ["net, none", "net, query_expansion"]
    assert (told["first"], told["second"], told["alike"]) == (0, 1, 1)
    assert run("preferences", "other").returncode == 1
