"""Signed distances of the simple solids that the catalogue's products are built from.

Points are (3, n) float32; a distance is (n,) float32, negative inside. Every function changes by at most the
distance walked (Lipschitz constant 1), which is what lets a ray step that far without passing a surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Distance = Callable[[np.ndarray], np.ndarray]
Point = tuple[float, float, float]


def length(*components: np.ndarray) -> np.ndarray:
    """Euclidean length of vectors given by components."""
    total = components[0] * components[0]
    for component in components[1:]:
        total += component * component
    return np.sqrt(total, out=total)


def sphere(p: np.ndarray, centre: Point, radius: float) -> np.ndarray:
    return length(p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]) - radius


def ellipsoid(p: np.ndarray, centre: Point, radii: Point) -> np.ndarray:
    """A lower bound, tight along the shortest radius: the exact distance needs a quartic."""
    scaled = length(*((p[i] - centre[i]) * (1 / radii[i]) for i in range(3)))
    return (scaled - 1) * min(radii)


def box(p: np.ndarray, centre: Point, half: Point, rounding: float = 0.0) -> np.ndarray:
    """`half` are half sides, edges rounded within them."""
    q = [np.abs(p[i] - centre[i]) - (half[i] - rounding) for i in range(3)]
    outside = length(*(np.maximum(side, 0) for side in q))
    return outside + np.minimum(np.maximum(np.maximum(q[0], q[1]), q[2]), 0) - rounding


def cylinder(p: np.ndarray, centre: Point, radius: float, half: float, rounding: float = 0.0) -> np.ndarray:
    """Upright, `half` its half height."""
    side = length(p[0] - centre[0], p[2] - centre[2]) - (radius - rounding)
    end = np.abs(p[1] - centre[1]) - (half - rounding)
    outside = length(np.maximum(side, 0), np.maximum(end, 0))
    return outside + np.minimum(np.maximum(side, end), 0) - rounding


def rod(p: np.ndarray, start: Point, end: Point, radius: float, end_radius: float | None = None) -> np.ndarray:
    """A round-ended rod, tapering evenly when `end_radius` is given; the taper must be slender."""
    along = [end[i] - start[i] for i in range(3)]
    squared = sum(a * a for a in along)
    q = [p[i] - start[i] for i in range(3)]
    share = _unit((q[0] * along[0] + q[1] * along[1] + q[2] * along[2]) * (1 / squared))
    away = length(*(q[i] - share * along[i] for i in range(3)))
    if end_radius is None:
        return away - radius
    # The taper tilts the gradient; dividing by its length keeps the constant at 1.
    slope = (end_radius - radius) / squared**0.5
    return (away - radius - share * (end_radius - radius)) * (1 / (1 + slope * slope) ** 0.5)


def ring(p: np.ndarray, centre: Point, radius: float, thickness: float, axis: int = 2) -> np.ndarray:
    """A torus around the given axis (0 x, 1 y, 2 z)."""
    across = [p[i] - centre[i] for i in range(3) if i != axis]
    return length(length(*across) - radius, p[axis] - centre[axis]) - thickness


def smooth_union(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Union whose seam is filled over a width of `blend`."""
    share = _unit(0.5 + (b - a) * (0.5 / blend))
    return b + (a - b) * share - blend * share * (1 - share)


def smooth_intersection(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    return -smooth_union(-a, -b, blend)


@dataclass(frozen=True)
class Outline:
    """Distance to a plane curve, read from a table: smooth curves cost as much as a straight line.

    Beyond the table the nearest entry is used, which never exceeds the true distance.
    """

    table: np.ndarray  # (rows, columns) float32, row = y, column = x
    left: float
    bottom: float
    step: float

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        rows, columns = self.table.shape
        u = np.minimum(np.maximum((x - self.left) * (1 / self.step), 0), columns - 1.01)
        v = np.minimum(np.maximum((y - self.bottom) * (1 / self.step), 0), rows - 1.01)
        column, row = u.astype(np.intp), v.astype(np.intp)
        u -= np.floor(u)
        v -= np.floor(v)
        corner = row * columns + column
        flat = self.table.ravel()
        low, high = flat[corner], flat[corner + columns]
        low += u * (flat[corner + 1] - low)
        high += u * (flat[corner + (columns + 1)] - high)
        return low + v * (high - low)


def outline(points: Sequence[tuple[float, float]], *, closed: bool = False, smooth: bool = True) -> Outline:
    """Tabulate a curve through `points`; closed curves are negative inside, open ones nowhere.

    A point given twice is a corner. Points lie within x, y in [-1.6, 1.6] x [-0.6, 2.6].
    """
    path = _curve(np.asarray(points, np.float64), closed) if smooth else np.asarray(points, np.float64)
    if closed:
        path = np.vstack([path, path[:1]])
    step, left, bottom = 0.025, -1.6, -0.6
    along = np.arange(129, dtype=np.float32) * step
    x, y = np.meshgrid(left + along, bottom + along)  # (rows, columns)
    nearest = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(path[:-1].tolist(), path[1:].tolist(), strict=True):
        ex, ey = bx - ax, by - ay
        squared = ex * ex + ey * ey
        if squared < 1e-9:
            continue
        share = np.clip(((x - ax) * ex + (y - ay) * ey) * (1 / squared), 0, 1)
        np.minimum(nearest, (x - ax - share * ex) ** 2 + (y - ay - share * ey) ** 2, out=nearest)
        if ey:
            inside ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) * (ex / ey))
    distance = np.sqrt(nearest)
    return Outline(np.where(inside & closed, -distance, distance), left, bottom, step)


def lathe(profile: Outline, p: np.ndarray, thickness: float) -> np.ndarray:
    """The shell that `profile` (x = radius, y = height) sweeps around the y axis."""
    return profile(length(p[0], p[2]), p[1]) - thickness


def extrude(profile: Outline, p: np.ndarray, half: float, rounding: float) -> np.ndarray:
    """A closed `profile` in x and y, thick from z = -half to half, edges rounded."""
    side = profile(p[0], p[1]) + rounding
    end = np.abs(p[2]) - (half - rounding)
    outside = length(np.maximum(side, 0), np.maximum(end, 0))
    return outside + np.minimum(np.maximum(side, end), 0) - rounding


def _unit(x: np.ndarray) -> np.ndarray:
    """Limited to [0, 1]; np.clip costs more than the arithmetic around it."""
    return np.minimum(np.maximum(x, 0, out=x), 1, out=x)


def _curve(points: np.ndarray, closed: bool) -> np.ndarray:
    """Catmull-Rom through (n, 2) points, 8 pieces a span."""
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    padded = np.vstack([before, points, after])
    t = np.linspace(0, 1, 8, endpoint=False)[:, None]
    spans = []
    for a, b, c, d in zip(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True):
        if (b == c).all():
            continue
        # A doubled neighbour marks a corner: no tangent is carried across it.
        into = (c - a) / 2 if (a != b).any() else (c - b) / 2
        out = (d - b) / 2 if (c != d).any() else (c - b) / 2
        spans.append(
            (2 * t**3 - 3 * t**2 + 1) * b
            + (t**3 - 2 * t**2 + t) * into
            + (3 * t**2 - 2 * t**3) * c
            + (t**3 - t**2) * out
        )
    end = points[:0] if closed else points[-1:]
    return np.vstack([*spans, end])
