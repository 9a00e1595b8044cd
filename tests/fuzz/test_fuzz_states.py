"""What a browser may send in place of our components' states: read as they are meant, or one sentence."""

from __future__ import annotations

import math
from typing import Any

import pytest
from cases import cases, count
from hypothesis import given
from hypothesis import strategies as st

from app.explore import map_data
from app.search import query_panel
from app.server import jobs
from app.server.pictures import Preview
from app.widgets import states
from pipeline.analysis import selection
from pipeline.errors import UsageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.sampled_from(["kind", "id", "box", "shape", "polygon", "turn", "only", "out", "like"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
NUMBERS = st.lists(st.floats() | st.integers(), min_size=4, max_size=4)


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    held: dict[str, Any] = {}
    monkeypatch.setattr(states.st, "session_state", held)
    return held


@cases
@given(JSON)
def test_a_click_is_two_texts_or_a_sentence(session: dict[str, Any], value: Any) -> None:
    count("states of components")
    session["grid"] = {"action": value}
    try:
        kind, picture = states.action("grid")
    except UsageError:
        return
    assert isinstance(kind, str)
    assert "\0" not in picture
    (kind + picture).encode()


@cases
@given(JSON | NUMBERS)
def test_a_box_lies_in_its_picture_or_is_a_sentence(session: dict[str, Any], value: Any) -> None:
    count("states of components")
    session["region"] = {"box": value}
    try:
        box = query_panel.drawn("region", Preview(b"", 300, 200))
    except UsageError:
        return
    if box is not None:
        x, y, w, h = box
        assert x >= 0
        assert y >= 0
        assert 8 <= w <= 300 - x
        assert 8 <= h <= 200 - y


@cases
@given(
    JSON | st.fixed_dictionaries({"polygon": st.lists(st.lists(st.floats() | st.integers(), min_size=2, max_size=2))})
)
def test_a_shape_has_corners_or_is_a_sentence(value: Any) -> None:
    count("states of components")
    try:
        shape = map_data.shape_from(value)
    except UsageError:
        return
    if shape is not None:
        assert 3 <= len(shape.polygon) <= selection.MAX_CORNERS
        assert all(math.isfinite(x) and math.isfinite(y) for x, y in shape.polygon)
        assert selection.shape_of(shape.text()) is not None


@cases
@given(JSON, st.sampled_from([["a", "b"], {"": 1, "c": 2}, (0.1, 0.01)]))
def test_a_choice_is_one_of_those_offered_or_a_sentence(value: Any, offered: Any) -> None:
    count("states of components")
    try:
        assert states.one_of(value, offered) in offered
    except UsageError:
        assert value not in list(offered)


def test_what_the_components_send_is_read(session: dict[str, Any]) -> None:
    """The tests above could not fail if everything were a sentence."""
    session["grid"] = {"action": {"kind": "search", "id": "f" * 32, "n": 1}}
    session["region"] = {"box": [0.5, 0.5, 0.5, 0.5]}
    assert states.action("grid") == ("search", "f" * 32)
    assert query_panel.drawn("region", Preview(b"", 300, 200)) == (150, 100, 150, 100)
    shape = map_data.shape_from({"polygon": [[0, 0], [1, 0], [0, 1.5]], "turn": [0.1, 0.2]})
    assert shape == selection.Shape(((0, 0), (1, 0), (0, 1.5)), (0.1, 0.2))


@pytest.mark.parametrize("words", [("ingest", "small", "--title", "a\0b"), ("identity", "add", "small", "\0")])
def test_a_character_of_code_0_in_a_job_is_a_sentence(home, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="character of code 0"):
        jobs.start(["pipeline", *words], title="no")
