"""How text is read as yes or no, as a list and as a place; what a column is taken for; and what a filter of each kind means."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import filters, readings
from pipeline.errors import UsageError
from pipeline.filters import kinds
from pipeline.filters.clauses import Clause


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yes", True),
        (" TRUE ", True),
        ("1", True),
        ("no", False),
        ("0", False),
        ("Nein", False),
        ("", None),
        ("maybe", None),
        ("2", None),
    ],
)
def test_yes_and_no_are_read_in_several_words(text: str, said: bool | None) -> None:
    assert readings.truth(text) is said


@pytest.mark.parametrize(
    ("text", "sign", "found"),
    [
        ("a; b;;c ", ";", ["a", "b", "c"]),
        ("New York, NY", ";", ["New York, NY"]),
        ("a|b", "|", ["a", "b"]),
        ('["a, b", "c", null, 3]', ",", ["a, b", "c", "3"]),
        ("[torn, b", ",", ["[torn", "b"]),
        ("", ";", []),
    ],
)
def test_a_list_is_parted_by_its_sign_or_is_json(text: str, sign: str, found: list[str]) -> None:
    assert readings.elements(text, sign) == found


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("48.1372, 11.5756", (48.1372, 11.5756)),
        ("-33.45 -70.66", (-33.45, -70.66)),
        ("33.45 S 70.66 W", (-33.45, -70.66)),
        ("48°30'36\"N 11°15'E", (48.51, 11.25)),
        ("52,30.6N 13,15W", (52.51, -13.25)),
        ("91, 0", None),
        ("12", None),
        ("Berlin", None),
        ("", None),
    ],
)
def test_a_place_is_read_in_degrees_north_and_east(text: str, spot: tuple[float, float] | None) -> None:
    assert readings.place(text) == (pytest.approx(spot) if spot else None)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["12", "3.5", "1,234", "0,75"], "number"),
        (["1", "2", "3", "4", "5", "6", "7", "8", "9", "n/a"], "number"),
        (["1", "2", "free"], "text"),
        (["01234", "98765"], "text"),
        (["2024-05-03", "3 May 2024", "03.05.2024", "2024:05:03 14:07:09", "2024-05-03T23:30+09:00"], "date"),
        (["yes", "no", "no"], "boolean"),
        (["x", "x"], "text"),
        (["0", "1"], "number"),
        (["52.5, 13.4", "48.1, 11.6"], "place"),
        (["sea; sun", "sun", "sea; sand"], "list;"),
        (["sea|sun", "sun|sea"], "list|"),
        (["red, big", "blue, big", "red, small"], "list,"),
        (["We went there, it rained.", "She came, and saw."], "text"),
        (["", " "], "text"),
    ],
)
def test_a_column_is_what_nine_in_ten_of_its_cells_are(cells: list[str], kind: str) -> None:
    assert kinds.infer(Counter(cells)) == kind


def rows(texts: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": [f"{i:032x}" for i in range(len(texts))], "metadata": [{"fact": text} for text in texts]}
    )


def found(typed: str, kind: str, texts: list[str]) -> list[str]:
    table = rows(texts)
    asked = filters.check(filters.parse([typed]), ["fact"]).replaced(
        lambda clause: kinds.meant(clause, kind, lambda: table)
    )
    return [text for text, kept in zip(texts, filters.mask(asked, table), strict=True) if kept]


@pytest.mark.parametrize(
    ("typed", "kind", "texts", "kept"),
    [
        ("fact=yes", "boolean", ["true", "1", "no", "", "?"], ["true", "1"]),
        ("fact!=true", "boolean", ["yes", "0", ""], ["0", ""]),
        ("fact=", "boolean", ["yes", ""], [""]),
        ("fact=sea", "list;", ["sea; sun", "seaside", "sun;sea", ""], ["sea; sun", "sun;sea"]),
        ("fact=sea,sun", "list;", ["sea", "sun", "sand"], ["sea", "sun"]),
        ("fact=sea and fact=sun", "list;", ["sea", "sun;sea"], ["sun;sea"]),
        ("not fact=sea", "list;", ["sea; sun", "sun", ""], ["sun", ""]),
        ("fact=", "list;", ["sea", "", " ; "], ["", " ; "]),
        ("fact~SE", "list;", ["sea; sun", "sun"], ["sea; sun"]),
        ("fact=52.5 13.4 10km", "place", ["52.5, 13.4", "52.55, 13.4", "52.6 N 13.4 E", ""], ["52.5, 13.4", "52.55, 13.4"]),
        ("fact=52..53 13..14", "place", ["52.5, 13.4", "51.9, 13.4", "52.5, 14.1"], ["52.5, 13.4"]),
        ("fact=-10..10 170..-170", "place", ["0, 175", "0, -175", "0, 0"], ["0, 175", "0, -175"]),
        ("fact=", "place", ["0, 1", ""], [""]),
        ("fact=20", "number", ["20", "20.00", "2e1", "21"], ["20", "20.00", "2e1"]),
        ("fact=2024", "text", ["2024", "2024-05"], ["2024"]),
    ],
)  # fmt: skip
def test_a_filter_means_what_the_kind_says(typed: str, kind: str, texts: list[str], kept: list[str]) -> None:
    assert found(typed, kind, texts) == kept


@pytest.mark.parametrize(
    ("typed", "kind", "said"),
    [
        ("fact=perhaps", "boolean", "write fact=yes or fact=no"),
        ("fact>1", "boolean", "has no order"),
        ("fact>1", "list,", "fact is a list and has no order"),
        ("fact=52.5,13.4", "place", "write fact=52.52 13.40 5km"),
        ("fact=95 13 5km", "place", "is no place"),
        ("fact~5", "place", "fact is a place"),
        ("fact<=7", "text", "fact is a text and has no order"),
    ],
)
def test_what_a_kind_cannot_be_asked_is_said(typed: str, kind: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        found(typed, kind, ["x"])


def test_more_values_than_words_allow_are_asked_by_their_ids() -> None:
    texts = [f"all; {i}" for i in range(2_000)]
    table = rows(texts)
    asked = kinds.meant(Clause("fact", ("all",)), "list;", lambda: table)
    assert (asked.field, set(asked.values)) == ("id", set(table["id"]))


coordinates = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(coordinates, coordinates)
def test_kilometres_are_those_of_the_dot_product(one: tuple[float, float], other: tuple[float, float]) -> None:
    def unit(spot: tuple[float, float]) -> tuple[float, float, float]:
        north, east = map(math.radians, spot)
        return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)

    cosine = sum(a * b for a, b in zip(unit(one), unit(other), strict=True))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    assert kinds.kilometres(*one, *other) == pytest.approx(kinds.EARTH * angle, abs=0.5)
