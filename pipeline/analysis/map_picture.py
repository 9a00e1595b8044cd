"""A map as a drawing for a page without script: dots by colour, names beside their groups, what was circled or picked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.analysis.colouring import NOTHING, REST, Colouring
from pipeline.analysis.map_points import MapPoints
from pipeline.analysis.selection import Shape, looked_at

MAX_POINTS = 20_000  # more make a page that is slow to draw
TURN = (0.5, 0.3)  # of a 3-D map where none is asked, as the page begins
WIDTH, HEIGHT, EDGE = 1000.0, 720.0, 24.0  # of the drawing at most, in its own units; and its margin
FONT, PHONE_FONT = 20, 36  # a phone shows all of it 3 times smaller
CELL = 120  # the square of the drawing with most of a group has its name
MAX_NAME = 28  # characters of a name on the map


@dataclass(frozen=True)
class _Frame:
    """Points of a map, seen from the side that is shown, to units of the drawing."""

    low: np.ndarray
    high: np.ndarray

    @property
    def scale(self) -> float:
        across, up = np.maximum(self.high - self.low, 1e-6)
        return float(min((WIDTH - 2 * EDGE) / across, (HEIGHT - 2 * EDGE) / up))

    def placed(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) to (n, 2): x to the right, y downward."""
        x, y = (points - self.low).T
        return np.stack([x * self.scale + EDGE, (self.high[1] - self.low[1] - y) * self.scale + EDGE], axis=1)


def drawing(
    data: MapPoints, shown: Colouring, *, taken: np.ndarray, only: Sequence[str], shape: Shape | None, picked: str
) -> dict[str, Any]:
    """width, height; dots: a path of each colour, those not `taken` (n,) bool first and pale; names, polygon, ring.

    Of more than MAX_POINTS points a sample is drawn, of each label its share; names stand where all of them say.
    """
    flat = data.points
    if flat.shape[1] == 3:
        flat = looked_at(flat, *((shape.turn if shape else None) or TURN))
    frame = _Frame(flat.min(axis=0), flat.max(axis=0))
    drawn = data.drawn(MAX_POINTS)
    places = frame.placed(flat)
    width, height = 2 * EDGE + (frame.high - frame.low) * frame.scale
    row = np.flatnonzero(data.table["id"].to_numpy() == picked)
    return {
        "width": round(float(width), 1),
        "height": round(float(height), 1),
        "size": float(np.clip(150 / np.sqrt(max(len(drawn), 1)), 3, 13)),
        "pale": _path(places[drawn[~taken[drawn]]]),
        "dots": [
            {"colour": shown.palette[code], "path": _path(places[drawn[taken[drawn] & (shown.codes[drawn] == code)]])}
            for code in np.unique(shown.codes[drawn[taken[drawn]]])
        ],
        "names": _names(places, shown, only, float(width)),
        "polygon": " ".join(f"{x:.1f},{y:.1f}" for x, y in frame.placed(np.array(shape.polygon))) if shape else "",
        "ring": places[row[0]].round(1).tolist() if len(row) else None,
        "sampled": len(drawn) if len(drawn) < len(flat) else 0,
    }


def _path(places: np.ndarray) -> str:
    """A line of no length at each: with round ends it is a dot."""
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)


def _names(places: np.ndarray, shown: Colouring, only: Sequence[str], width: float) -> list[dict[str, Any]]:
    """Of the colours that stand for one value, in the middle of where most of the group lies.

    A name that would lie over one of a larger group is left out; minor: one that would on a phone.
    """
    made: list[dict[str, Any]] = []
    for code, name, _ in sorted(shown.legend, key=lambda entry: -entry[2]):
        members = places[shown.codes == code]
        if shown.palette[code] in (REST, NOTHING) or not len(members) or (only and name not in only):
            continue
        _, cell, counts = np.unique(members // CELL, axis=0, return_inverse=True, return_counts=True)
        middle = np.median(members[cell == counts.argmax()], axis=0)
        text = name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
        one = {"text": text, "colour": shown.palette[code], "x": float(middle[0]), "y": float(middle[1])}
        one = _inside(one, FONT, width)
        if not any(_meet(one, other, FONT) for other in made):
            large = _inside(one, PHONE_FONT, width)
            minor = any(_meet(large, other, PHONE_FONT) for other in made if not other["minor"]) or large != one
            made.append(one | {"minor": minor})
    return made


def _inside(one: dict[str, Any], font: int, width: float) -> dict[str, Any]:
    """The name moved to the side until none of it is cut off."""
    half = min(_half(one["text"], font), width / 2)
    return one | {"x": round(float(np.clip(one["x"], half, width - half)), 1), "y": round(one["y"], 1)}


def _meet(one: dict[str, Any], other: dict[str, Any], font: int) -> bool:
    apart = _half(one["text"], font) + _half(other["text"], font)
    return bool(abs(one["y"] - other["y"]) < 1.2 * font and abs(one["x"] - other["x"]) < apart)


def _half(text: str, font: int) -> float:
    return 0.3 * font * len(text) + 4
