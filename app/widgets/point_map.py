"""The map component: points by address, what a visitor picks, circles or isolates by callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.widgets import component, states
from pipeline.analysis.selection import MAX_CORNERS, Shape
from pipeline.errors import UsageError

_SCRIPTS = ("point_map_draw.js", "point_map.js", "point_map_hands.js")


def shape_from(value: Any) -> Shape | None:
    """What the component sends; UsageError for what it never does."""
    if not value:
        return None
    corners = states.part(value, "polygon")
    if not isinstance(corners, list) or len(corners) > MAX_CORNERS:
        raise UsageError("this is no shape with corners; draw it anew")
    polygon = tuple((x, y) for x, y in (states.numbers(corner, 2) for corner in corners))
    turn = value.get("turn")
    yaw, pitch = states.numbers(turn, 2) if turn else (0.0, 0.0)
    return Shape(polygon, (yaw, pitch) if turn else None) if len(polygon) >= 3 else None


def point_map(data: dict[str, Any], *, key: str, on_changed: Callable[[], None]) -> None:
    """`session_state[key]` holds, in its callback, changed = {shape, only, look} as they are now, with picked (an id) or add
    (a new shape beside what is selected) where that is what happened."""
    component("point_map", _SCRIPTS)(data=data, key=key, on_changed_change=on_changed)
