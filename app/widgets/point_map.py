"""The map component: points by address, what a visitor picks, circles or isolates by callback; and shapes as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.widgets import component, states
from pipeline.analysis import selection
from pipeline.errors import UsageError

_SCRIPTS = ("point_map_draw.js", "point_map.js", "point_map_hands.js")
MAX_CORNERS = 128


@dataclass(frozen=True)
class Shape:
    """A lasso or box in the units of MapData.points; on a 3-D map as seen after the turn (yaw, pitch)."""

    polygon: tuple[tuple[float, float], ...]
    turn: tuple[float, float] | None = None

    def takes(self, points: np.ndarray) -> np.ndarray:
        """(n, 2 or 3) to (n,) bool."""
        if points.shape[1] == 3:
            points = selection.looked_at(points, *(self.turn or (0.0, 0.0)))
        return selection.inside(points, np.array(self.polygon))

    def text(self) -> str:
        corners = ";".join(f"{x:g},{y:g}" for x, y in self.polygon)
        return corners + (f"@{self.turn[0]:g},{self.turn[1]:g}" if self.turn else "")


def shape_of(text: str) -> Shape | None:
    """`Shape.text` read back; None for anything else."""
    corners, _, turn = text.partition("@")
    try:
        polygon = tuple(_pair(corner) for corner in corners.split(";"))
        turned = _pair(turn) if turn else None
    except ValueError:
        return None
    return Shape(polygon, turned) if 3 <= len(polygon) <= MAX_CORNERS else None


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


def _pair(text: str) -> tuple[float, float]:
    x, y = (float(part) for part in text.split(","))
    if not (abs(x) <= 1e6 and abs(y) <= 1e6):  # neither infinite nor no number
        raise ValueError(text)
    return x, y


def point_map(data: dict[str, Any], *, key: str, on_changed: Callable[[], None]) -> None:
    """`session_state[key]` holds, in its callback, changed = {shape, only, look} as they are now, with picked (an id) or add
    (a new shape beside what is selected) where that is what happened."""
    component("point_map", _SCRIPTS)(data=data, key=key, on_changed_change=on_changed)
