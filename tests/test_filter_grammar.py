"""What is typed is what is meant: ranges, comparisons, `or`, `not` and brackets; and it can be typed again as it is shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.filters import check, parse
from pipeline.filters.clauses import Clause, Either, Filter


def one(*clauses: Clause | Either) -> Filter:
    return Filter(clauses)


A, B, C = Clause("a", ("1",)), Clause("b", ("2",)), Clause("c", ("3",))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("width>=1000", one(Clause("width", ("1000",), operator=">="))),
        ("price < 20", one(Clause("price", ("20",), operator="<"))),
        ("taken=2024-05..2024-08", one(Clause("taken", ("2024-05..2024-08",)))),
        ("tag~beach", one(Clause("tag", ("beach",), operator="~"))),
        ("tag!~beach,sea", one(Clause("tag", ("beach", "sea"), negate=True, operator="~"))),
        ("shot by=Ann", one(Clause("shot by", ("Ann",)))),
        ("a=1 and b=2", one(A, B)),
        ("a=1 or b=2", one(Either((one(A), one(B))))),
        ("a=1 AND b=2 Or c=3", one(Either((one(A, B), one(C))))),
        ("a=1 and (b=2 or c=3)", one(A, Either((one(B), one(C))))),
        ("(a=1 or b=2) and c=3", one(Either((one(A), one(B))), C)),
        ("((a=1))", one(A)),
        ("( a=1 )", one(Clause("a", ("1 ",)))),
        ("not a=1", one(Clause("a", ("1",), negate=True))),
        ("not a!=1", one(A)),
        ("not (a=1 and b=2)", one(Either((one(Clause("a", ("1",), True)), one(Clause("b", ("2",), True)))))),
        ("not (a=1 or b=2)", one(Clause("a", ("1",), True), Clause("b", ("2",), True))),
        ("a=1 or not b<2", one(Either((one(A), one(Clause("b", ("2",), True, "<")))))),
        ("label=black or white", one(Clause("label", ("black or white",)))),
        ("label=black or white and b=2", one(Clause("label", ("black or white",)), B)),
        ("label=not a shoe", one(Clause("label", ("not a shoe",)))),
        ("label=shoe (left)", one(Clause("label", ("shoe (left)",)))),
        ("(label=shoe (left) or b=2)", one(Either((one(Clause("label", ("shoe (left)",))), one(B))))),
        (r"label=black\ or b=2", one(Clause("label", ("black or b=2",)))),
        (r"(a=\) or b=2)", one(Either((one(Clause("a", (")",))), one(B))))),
        (r"5 \> 4=yes", one(Clause("5 > 4", ("yes",)))),
    ],
)
def test_a_filter_is_read_as_it_was_typed(typed: str, meant: Filter) -> None:
    assert parse([typed]) == meant


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("(a=1 or b=2", "a bracket is never closed"),
        ("(a=1) b=2", "behind the bracket stands 'b=2'"),
        ("or a", "field>=value"),
        ("price<cheap", "'cheap' is neither a number nor a date"),
        ("price<1,5", "takes one value.*a number has a point"),
        ("price<", "'' is neither a number"),
        ("tag~", "no value to compare with; write tag~value"),
        ("(" * 60 + "a=1" + ")" * 60, "more than 50 brackets deep"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse([typed])


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("label<5", "label is text and has no order"),
        ("width~10", "width is a number of pixels"),
        ("width=wide", "width is a number of pixels"),
        ("width>=2024-05", "width is a number of pixels"),
        ("price=20..5", re.escape("holds nothing: write the lower end first, 5..20")),
        ("taken=2024-08..2024-05", re.escape("write the earlier date first, 2024-05..2024-08")),
        ("orientation=upright", "orientation is one of landscape, portrait, square"),
        ("folder=/", "write folder=2024/beach"),
        ("a=1 or nothing=2", "no field 'nothing' to filter by"),
    ],
)
def test_what_a_field_cannot_be_is_refused(typed: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check(parse([typed]), {"price", "taken", "a"})


texts = st.text(max_size=8) | st.lists(
    st.sampled_from(["a", " or ", " and ", "not ", "=", "<", "(", ")", "\\", ",", "..", "b=1"]), max_size=5
).map("".join)
clauses = st.builds(
    lambda field, values, negate, operator: Clause(field, tuple(values), negate, operator),
    st.sampled_from(["label", "shot by", "a(b)"]), st.lists(texts, min_size=1, max_size=3), st.booleans(), st.just("="),
) | st.builds(lambda value, negate, sign: Clause("price", (value,), negate, sign),
    st.sampled_from(["5", "2024-05"]), st.booleans(), st.sampled_from(["<", ">=", "~"]))  # fmt: skip
filters_ = st.recursive(
    st.lists(clauses, min_size=1, max_size=3).map(lambda some: Filter(tuple(some))),
    lambda inner: st.tuples(st.lists(clauses, max_size=2), st.lists(inner, min_size=2, max_size=3)).map(
        lambda both: Filter((*both[0], Either(tuple(both[1]))))
    ),
    max_leaves=6,
)


@given(filters_)
def test_what_a_filter_shows_can_be_typed_again(where: Filter) -> None:
    assert parse([str(where)]) == where


@given(filters_)
def test_what_is_turned_around_twice_is_as_it_was(where: Filter) -> None:
    asked = where.turned().turned().leaves()
    assert {str(clause) for clause in asked} == {str(clause) for clause in where.leaves()}
