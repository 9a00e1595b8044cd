"""What our components send back: the browser's word, which may be anything. What no page of ours sends is a UsageError."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pipeline.errors import UsageError

MALFORMED = "this is not what the page sends; reload it and try again"
MAX_TEXT, MAX_TEXTS = 4_000, 10_000


def sent(key: str, name: str) -> Any:
    """The part `name` of what the component `key` sent; None when it sent none."""
    held = st.session_state.get(key)
    return held.get(name) if isinstance(held, Mapping) else None


def action(key: str) -> tuple[str, str]:
    """Kind and picture of a click in a grid of pictures; two empty texts without one."""
    clicked = sent(key, "action")
    return ("", "") if clicked is None else (text(part(clicked, "kind")), text(part(clicked, "id")))


def part(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping) or name not in value:
        raise _malformed()
    return value[name]


def text(value: Any) -> str:
    try:
        if isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value:
            value.encode()  # JSON may hold half a character
            return value
    except UnicodeEncodeError:
        pass
    raise _malformed()


def texts(value: Any) -> tuple[str, ...]:
    """None, as of a list that was never sent, is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MAX_TEXTS:
        raise _malformed()
    return tuple(map(text, value))


def numbers(value: Any, count: int) -> tuple[float, ...]:
    """So many numbers, each finite and within ± a million."""
    if not isinstance(value, list | tuple) or len(value) != count:
        raise _malformed()
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and abs(one) <= 1e6 for one in value):
        raise _malformed()  # a NaN is no more than anything
    return tuple(map(float, value))


def span(value: Any) -> tuple[float, float]:
    """Two finite numbers, the lower first: what a slider with two ends sends."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _malformed()
    if not all(isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in value):
        raise _malformed()
    return min(value), max(value)


def one_of(value: Any, offered: Any) -> Any:
    """For a callback, which has a choice as it came: the widget itself takes what is not offered back, but later."""
    if (
        not isinstance(value, str | int | float)
        or (isinstance(value, float) and math.isnan(value))
        or value not in offered
    ):
        raise _malformed()
    return value


def required(widget: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What was chosen of a widget that always has a choice. A browser may send none all the same."""
    if (chosen := widget(*given, **named)) is None:
        raise _malformed()
    return chosen


def _malformed() -> UsageError:
    return UsageError(MALFORMED)
