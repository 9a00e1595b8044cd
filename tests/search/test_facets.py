"""What can be filtered by: kinds are told from the texts, and counts are those of the pictures that pass the rest."""

from __future__ import annotations

import pandas as pd

from pipeline.filters import Filter, check, mask, parse
from pipeline.filters.clauses import Clause
from pipeline.search.facets import facets, fields

KEYS = ["price", "taken", "kind", "note", "few", "shows_kinds"]


def table(n: int = 60) -> pd.DataFrame:
    rows = [
        {
            "id": str(i), "path": f"{'ab'[i % 2]}/{i}.jpg", "label": ["cup", "", "hat"][i % 3], "split": "", "parent": "",
            "width": 100 + i, "height": 100,
            "metadata": {
                "price": "free" if i == 7 else f"{i / 4:.2f}", "taken": f"2024-{1 + i % 12:02d}-03", "kind": "xyz"[i % 3],
                "note": f"text {i} " * 3, "few": str(i % 3), "shows_kinds": f"{i}",
            },
        }
        for i in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_kinds_are_told_from_the_texts() -> None:
    found = {one.name: one for one in fields(table(), KEYS)}
    assert {name: one.kind for name, one in found.items()} == {
        "label": "choice", "price": "number", "taken": "date", "kind": "choice", "note": "choice", "few": "choice",
        "folder": "choice", "orientation": "choice", "width": "number",
    }  # fmt: skip
    assert (found["price"].low, found["price"].high, found["price"].whole, found["price"].unread) == (
        0,
        14.75,
        False,
        1,
    )
    assert (found["width"].low, found["width"].high, found["width"].whole) == (100, 159, True)


def test_each_facet_counts_what_passes_all_but_itself() -> None:
    rows, where = table(), parse(["kind=x", "price=5.."])
    found = {
        one.field.name: one
        for one in facets(rows, fields(rows, KEYS), where, keys=KEYS, settled=lambda w: check(w, KEYS))
    }
    truth = {"x": 0, "y": 0, "z": 0}
    for i in range(20, 60):
        truth["xyz"[i % 3]] += 1
    assert found["kind"].counts == truth
    assert found["few"].counts == {"0": truth["x"]}
    assert found["price"].passing == 20
    assert found["label"].counts == {"cup": truth["x"]}


def test_a_field_of_many_texts_and_one_of_one_text_are_none() -> None:
    names = [one.name for one in fields(table(400), KEYS)]
    assert "note" not in names
    assert not {"split", "height"} & set(names)


def test_mixed_texts_are_no_numbers() -> None:
    rows = table(20)
    rows["metadata"] = [{"price": text} for text in ["1", "2", "three", "4 px"] * 5]
    [found] = [one for one in fields(rows, ["price"]) if one.name == "price"]
    assert found.kind == "choice"
    assert mask(Filter((Clause("price", ("1..4",)),)), rows).sum() == 10


def test_a_list_counts_its_elements_and_a_boolean_yes_and_no() -> None:
    rows = table(6)
    rows["metadata"] = [
        {"tags": tags, "sold": sold, "code": code, "spot": "1, 2"}
        for tags, sold, code in zip(
            ["sea; sun", "sun", "", "sun; sea; sand", "sea", "sea"],
            ["yes", "1", "no", "", "no", "0"],
            "123456",
            strict=True,
        )
    ]
    known = {"tags": "list;", "sold": "boolean", "code": "number", "spot": "place"}
    found = {
        one.field.name: one
        for one in facets(rows, fields(rows, [*known], known), Filter(), keys=[*known], settled=lambda w: w)
    }
    assert found["tags"].counts == {"sea": 4, "sun": 3, "sand": 1}
    assert found["tags"].passing == 5
    assert found["sold"].counts == {"no": 3, "yes": 2}
    assert (found["code"].field.kind, found["code"].field.low, found["code"].field.high) == ("number", 1, 6)
    assert "spot" not in found
