"""The room Facts of a gallery: a look before anything is added, what does not match, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.galleries import facts
from pipeline.gallery import asked, opening
from pipeline.gallery.gallery import Gallery
from pipeline.settings import Settings


def shades() -> Gallery:
    return opening.open_gallery("shades", Settings())


@pytest.fixture
def room(filled: AppTest) -> AppTest:
    filled.session_state["managed"] = "shades"
    filled.session_state["room-shades"] = "facts"
    filled.switch_page("views/galleries.py").run()
    assert not filled.exception
    return filled


def bring(room: AppTest, name: str, text: str) -> AppTest:
    [field] = [one for one in room.file_uploader if (one.key or "").startswith("facts-shades")]
    field.upload(name, text.encode(), "text/csv").run()
    assert not room.exception
    return room


def table() -> str:
    paths = shades().table()["path"].tolist()
    rows = [f"{path};{i},50;{'yes' if i % 2 else 'no'};red|big" for i, path in enumerate(paths)]
    return "\n".join(["file;price;sold;tags", *rows, "nowhere.png;1;no;x"])


def press(room: AppTest, label: str) -> AppTest:
    next(button for button in room.button if button.label == label).click().run()
    assert not room.exception
    return room


def test_a_look_shows_what_matches_and_changes_nothing(room: AppTest) -> None:
    bring(room, "facts.csv", table())
    assert any("**12 of 13 rows** match (12 by path)." in said.value for said in room.markdown)
    assert shades().manifest()["metadata_keys"] == []
    frames = [frame.value for frame in room.dataframe]
    assert any("nowhere.png" in set(frame.get("Name", ())) for frame in frames)
    kinds = next(frame for frame in frames if "Kind" in frame and "Take" in frame)
    assert dict(zip(kinds["Column"], kinds["Kind"], strict=True)) == {
        "price": "number",
        "sold": "boolean",
        "tags": "list, parted by |",
    }


def test_what_was_looked_at_is_added_with_its_kinds_and_taken_back(room: AppTest) -> None:
    press(bring(room, "facts.csv", table()), "Add to 12 pictures")
    assert [row["price"] for row in shades().table()["metadata"]] == [f"{i},50" for i in range(12)]
    assert asked.kinds_of(shades()) == {"price": "number", "sold": "boolean", "tags": "list|"}
    assert any("12 pictures have them" in said.value for said in room.success)
    press(room, "Take back what was added last")
    assert {tuple(filter(None, row.values())) for row in shades().table()["metadata"]} == {()}
    assert asked.kinds_of(shades()) == {}


def test_a_kind_that_was_put_right_is_the_one_that_is_kept(room: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def corrected(rows: Any, **options: Any) -> Any:
        if "Take" in rows:
            rows = rows.assign(
                Take=rows["Column"] != "sold", Kind=rows["Kind"].where(rows["Column"] != "price", "text")
            )
        return rows

    monkeypatch.setattr(facts.st, "data_editor", corrected)
    press(bring(room, "facts.csv", table()), "Add to 12 pictures")
    assert asked.kinds_of(shades()) == {"price": "text", "tags": "list|"}
    assert "sold" not in shades().manifest()["metadata_keys"]

    def other(rows: Any, **options: Any) -> Any:
        return rows.assign(Kind=rows["Kind"].where(rows["Fact"] != "price", "number")) if "Fact" in rows else rows

    monkeypatch.setattr(facts.st, "data_editor", other)
    room.run()
    assert asked.kinds_of(shades())["price"] == "number", "a fact that is there is put right too"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("facts.csv", "a,b\n1,2\n", "no column names pictures of this gallery"),
        ("facts.json", "{ torn", "cannot be read as JSON"),
        ("facts.csv", "", "it is empty"),
    ],
)
def test_a_file_that_says_nothing_of_these_pictures_is_refused_in_a_sentence(
    room: AppTest, name: str, text: str, said: str
) -> None:
    bring(room, name, text)
    assert any(said in error.value for error in room.error), [error.value for error in room.error]
