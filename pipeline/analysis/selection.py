"""Pictures of a map: those inside a shape, few that stand for many, and each in a cell of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MOST_CELLS = 1_600  # pictures: so many are placed in about a second; of more a sample
MAX_CORNERS = 128
_WIDER = 1.4  # the grid is wider than high, as screens are


@dataclass(frozen=True)
class Shape:
    """A lasso or box in the units of MapPoints.points; on a 3-D map as seen after the turn (yaw, pitch)."""

    polygon: tuple[tuple[float, float], ...]
    turn: tuple[float, float] | None = None

    def takes(self, points: np.ndarray) -> np.ndarray:
        """(n, 2 or 3) to (n,) bool."""
        if points.shape[1] == 3:
            points = looked_at(points, *(self.turn or (0.0, 0.0)))
        return inside(points, np.array(self.polygon))

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


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """(n, 2) points and (m, 2) corners to (n,) bool, by the even-odd rule: a lasso that crosses itself has holes."""
    corners = np.asarray(polygon, np.float64).reshape(-1, 2)
    chosen = np.zeros(len(points), bool)
    if len(corners) < 3:
        return chosen
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    x, y = points[near].astype(np.float64).T
    odd = np.zeros(len(near), bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 != y2:
            odd ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    chosen[near] = odd
    return chosen


def looked_at(points: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """(n, 3) to (n, 2): what is across and up after a turn by `yaw` about y, then by `pitch` about x, in radians."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    return points @ np.array([[cy, 0, sy], [sy * sp, cp, -cy * sp]], points.dtype).T


def stratified(groups: np.ndarray, most: int, *, seed: int) -> np.ndarray:
    """Rows, ascending, at most `most`: of each group (n,) its share, and at least one while there is room.

    All rows when they are few enough. Chosen at random with the seed.
    """
    if len(groups) <= most:
        return np.arange(len(groups))
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(groups))
    _, group, counts = np.unique(groups[shuffled], return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")  # by group, shuffled inside each
    place = np.empty(len(groups), np.int64)  # of a row among its group, from 0
    place[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Rows in the order of the share of their group that comes before them: any first part of it is stratified.
    return np.sort(shuffled[np.lexsort((group, place / counts[group]))[:most]])


def in_cells(points: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, int, int]:
    """A cell of a grid for each picture, neighbours staying near: an assignment problem (Jonker and Volgenant).

    points: (n, 2 or 3) of a map, the first two count. (n, 2) float32: column and row of each, from 0 at the upper left,
    nan for one that the sample left out; and how many columns and rows there are.

    Each axis counts by rank, so that crowded places get as many cells as they have pictures.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import rankdata

    chosen = np.sort(np.random.default_rng(seed).permutation(len(points))[:MOST_CELLS])
    columns = max(1, math.ceil(math.sqrt(len(chosen) * _WIDER)))
    rows = max(1, math.ceil(len(chosen) / columns))
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows), indexing="xy"), axis=-1).reshape(-1, 2)
    spread = np.stack([rankdata(points[chosen, axis]) / len(chosen) for axis in (0, 1)], axis=1)  # (m, 2) in (0, 1]
    wanted = np.stack([spread[:, 0] * columns - 0.5, (1 - spread[:, 1]) * rows - 0.5], axis=1)  # row 0 is the highest y
    costs = ((wanted[:, None] - cells[None]) ** 2).sum(axis=2)  # (m, cells)
    picture, cell = linear_sum_assignment(costs)
    found = np.full((len(points), 2), np.nan, np.float32)
    found[chosen[picture]] = cells[cell]
    return found, columns, rows


def _pair(text: str) -> tuple[float, float]:
    x, y = (float(part) for part in text.split(","))
    if not (abs(x) <= 1e6 and abs(y) <= 1e6):  # neither infinite nor no number
        raise ValueError(text)
    return x, y
