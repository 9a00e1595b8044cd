"""Hits in the order of a fact: numbers and dates by what they say, equal ones by likeness, those without it last."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.records import SearchHit
from pipeline.search.result import SearchResult
from pipeline.search.sorting import check, group_of, in_order


def result(*texts: str, key: str = "price") -> SearchResult:
    hits = [
        SearchHit(
            id=str(i),
            path=f"{'ab'[i % 2]}/{i}.jpg",
            score=1 - i / 10,
            width=30,
            height=20 + 10 * i,
            metadata={key: text},
        )
        for i, text in enumerate(texts)
    ]
    return SearchResult(hits, [float(i) for i in range(len(hits))], -1.0)


def order(made: SearchResult) -> str:
    assert [f"{share:.0f}" for share in made.percentiles] == [hit.id for hit in made.hits], (
        "figures stay with their hits"
    )
    return "".join(hit.id for hit in made.hits)


@pytest.mark.parametrize(
    ("texts", "up", "down"),
    [
        (["9", "10", "", "2.5", "10"], "30142", "14032"),
        (["1,234.5", "0,75", "1e3"], "120", "021"),
        (["2024-05-03", "2023", "01.06.2024", "yesterday"], "1023", "1203"),
        (["May 3, 2024", "2024-05-03 14:07", "2024-05"], "201", "102"),
        (["b", "a", "", "C"], "1032", "3012"),
        (["", ""], "01", "01"),
    ],
)
def test_hits_are_sorted_by_what_their_text_says(texts: list[str], up: str, down: str) -> None:
    assert order(in_order(result(*texts), "price")) == up
    assert order(in_order(result(*texts), "-price")) == down


def test_columns_sort_too_and_nothing_asked_changes_nothing() -> None:
    made = result("x", "y", "z", "w")
    assert order(in_order(made, "-height")) == "3210"
    assert order(in_order(made, "folder")) == "0213"
    assert in_order(made, "") is made
    assert order(in_order(made, "nothing like it")) == "0123"
    assert [group_of(hit, "orientation") for hit in made.hits] == ["landscape", "square", "portrait", "portrait"]


def test_a_date_is_grouped_by_its_month_and_a_field_that_begins_with_a_minus_is_a_field() -> None:
    assert [group_of(hit, "taken") for hit in result("2024-05-03 10:00", "2024", "03.05.2024", key="taken").hits] == [
        "2024-05",
        "2024",
        "2024-05",
    ]
    assert order(in_order(result("2", "1", key="-odd"), "-odd")) == "10"


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    check("-price", ["price"])
    check("", [])
    with pytest.raises(UsageError, match=r"no field 'colour' to sort by; this gallery has .*price"):
        check("-colour", ["price"])
