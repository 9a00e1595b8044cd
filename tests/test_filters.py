"""Filters: what is typed is what is meant, and a mask says what a loop says."""

from __future__ import annotations

import json
import re
import unicodedata

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.filters import Clause, Filter, check, mask, parse, to_milvus

values = st.lists(st.text(max_size=8) | st.text(alphabet="\\,=!ab", max_size=6), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("label=shoes", Clause("label", ("shoes",))),
        (" label = shoes", Clause("label", (" shoes",))),
        ("label!=shoes", Clause("label", ("shoes",), negate=True)),
        ("label=a,b", Clause("label", ("a", "b"))),
        (r"label=a\,b", Clause("label", ("a,b",))),
        (r"label=a\\,b", Clause("label", ("a\\", "b"))),
        (r"path=c:\new", Clause("path", ("c:\\new",))),
        ("label=", Clause("label", ("",))),
        ("label=,", Clause("label", ("", ""))),
        ("label=a,", Clause("label", ("a", ""))),
        ("label=,a", Clause("label", ("", "a"))),
        ("equation=a=b!=c", Clause("equation", ("a=b!=c",))),
        ("label=ends\\", Clause("label", ("ends\\",))),
    ],
)
def test_a_clause_is_read_as_it_was_typed(typed: str, meant: Clause) -> None:
    assert parse([typed]) == Filter((meant,))


@given(values, st.booleans())
@example(("a\\", "b"), False)
@example(("\\\\,", "", "\\"), True)
def test_what_a_filter_shows_can_be_typed_again(some: tuple[str, ...], negate: bool) -> None:
    where = Filter((Clause("label", some, negate=negate),))
    assert parse([str(where)]) == where


@pytest.mark.parametrize("typed", ["label", "", "=shoes", "!=shoes", "label:shoes"])
def test_what_is_no_clause_is_refused_with_the_grammar(typed: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(typed)) + ".*field=value, field!=value or field=a,b"):
        parse([typed])


def test_a_clause_without_a_value_cannot_be_made() -> None:
    with pytest.raises(UsageError, match="no value"):
        Clause("label", ())


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UsageError,
        match="no field 'colour' to filter by; this gallery has parent, path, label, split, folder, width, height, orientation, id, x",
    ):
        check(parse(["label=a", "colour=b"]), {"x"})
    check(parse(["label=a", "x=b"]), {"x"})


@given(st.lists(st.tuples(st.sampled_from(["label", "split", "x", "y"]), values, st.booleans()), max_size=4))
def test_the_mask_is_what_a_loop_finds(clauses: list[tuple[str, tuple[str, ...], bool]]) -> None:
    texts = ["", "a", "b", "\\", ",", *(text for _, some, _ in clauses for text in some)]
    table = pd.DataFrame(
        {
            "label": pd.Series(texts, dtype=object),
            "split": pd.Series(list(reversed(texts)), dtype=object),
            "metadata": [{} if i % 3 == 0 else {"x": text} for i, text in enumerate(texts)],
        },
        index=range(7, 7 + len(texts)),
    )
    expected = []
    for _, row in table.iterrows():
        keep = True
        for field, some, negate in clauses:
            text = row[field] if field in ("label", "split") else row["metadata"].get(field, "")
            forms = {unicodedata.normalize(form, one) for one in some for form in ("NFC", "NFD")}
            if (text in {*some, *forms}) == negate:
                keep = False
        expected.append(keep)
    found = mask(Filter(tuple(Clause(*clause) for clause in clauses)), table)
    assert list(found) == expected
    assert list(found.index) == list(table.index)


@given(values)
def test_no_value_escapes_from_its_quotes(some: tuple[str, ...]) -> None:
    text = to_milvus(Filter((Clause("label", some),)))
    literals = re.findall(r'"(?:[^"\\]|\\.)*"', text)
    assert tuple(json.loads(literal) for literal in literals) == Clause("label", some).spelt
    for literal in literals:
        text = text.replace(literal, "_", 1)
    assert re.fullmatch(r"[()label=_or ]*", text)


def test_a_label_is_found_in_either_unicode_form() -> None:
    forms = [unicodedata.normalize(form, "Café") for form in ("NFC", "NFD")]
    table = pd.DataFrame({"label": [*forms, "Cafe"], "metadata": [{}] * 3})
    for typed in forms:
        assert list(mask(parse([f"label={typed}"]), table)) == [True, True, False]
        assert list(mask(parse([f"label!={typed}"]), table)) == [False, False, True]
        assert all(f'label == "{form}"' in to_milvus(parse([f"label={typed}"])) for form in forms)


def test_everything_passes_a_filter_without_clauses() -> None:
    table = pd.DataFrame({"label": ["a", "b"], "metadata": [{}, {}]})
    assert list(mask(Filter(), table)) == [True, True]
    assert to_milvus(Filter()) == ""
    assert not Filter()
