"""What surfaces are painted with: ten named colours, six patterns, a few plain materials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""paint(points (3, n), normals (3, n)) -> albedo (3, n), linear light in [0, 1], in the solid's coordinates."""

PATTERNS = ("plain", "stripes", "checks", "dots", "zigzag", "speckle")
COLOURS = {
    "red": "c92a2a",
    "orange": "f0801e",
    "yellow": "f2c82e",
    "green": "3f9142",
    "teal": "179c9c",
    "blue": "2b5fc4",
    "purple": "7540b0",
    "pink": "f08cb4",
    "white": "f4f2ec",
    "black": "2a2b30",
}
MATERIALS = {"wood": "b98a5a", "steel": "a9adb2", "gold": "d6a94a", "dark": "33302e", "cream": "f3ead8"}
MATERIALS |= {"leather": "7a4a2c", "leaf": "5d8a4a", "beak": "ee8a22", "flame": "ffc35a", "sole": "f2efe8"}


def linear(colour: str) -> np.ndarray:
    """Six hex digits of sRGB to (3,) float32 of linear light."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def plain(colour: np.ndarray) -> Paint:
    """One colour, (3,) linear, everywhere."""
    return lambda points, normals: np.repeat(colour[:, None], points.shape[1], axis=1)


@dataclass(frozen=True)
class Wrap:
    """How a flat pattern lies on a solid.

    girth: radius at which a cell is square when the pattern goes around the y axis; 0 projects it along the
    axis that the surface faces. lean: how much of the way along a surface is outward rather than upward.
    """

    girth: float = 0.0
    lean: float = 0.0


FACED = Wrap()  # projected along the axis that the surface faces


@dataclass(frozen=True)
class Print:
    """A pattern's own small parameters. cells: repeats over a circumference; direction: 0 up, 1 along, 2 slanted."""

    pattern: str
    cells: int = 12
    direction: int = 0
    phase: float = 0.0


def patterned(kind: Print, wrap: Wrap, main: np.ndarray, second: np.ndarray) -> Paint:
    """`main` on about two thirds of the surface and `second` on the rest, both (3,) linear."""
    if kind.pattern == "plain":
        return plain(main)

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        u, v = _lay(kind, wrap, points, normals)
        return np.where(_covered(kind, u, v), second[:, None], main[:, None])

    return paint


def _lay(kind: Print, wrap: Wrap, points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pattern coordinates, one unit a cell; around the axis u closes on itself after `cells`."""
    x, y, z = points
    if wrap.girth:
        u = np.arctan2(x, z) * (kind.cells / math.tau)
        v = (y + wrap.lean * np.sqrt(x * x + z * z)) * (kind.cells / (math.tau * wrap.girth))
        return u, v + kind.phase
    nx, ny, nz = np.abs(normals)
    top = (ny > nx) & (ny > nz)
    side = ~top & (nx > nz)
    per_unit = kind.cells / (math.tau * 0.75)
    return np.where(side, z, x) * per_unit + kind.phase, np.where(top, z, y) * per_unit + kind.phase


def _covered(kind: Print, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """True where the second colour lies."""
    if kind.pattern == "stripes":
        across = (u, v, u + v)[kind.direction]
        return across - np.floor(across) > 0.58
    a, b = u - np.floor(u), v - np.floor(v)
    if kind.pattern == "checks":
        return (a > 0.5) != (b > 0.5)
    if kind.pattern == "dots":
        # Two lattices, the second in the gaps of the first.
        first = (a - 0.5) ** 2 + (b - 0.5) ** 2
        second = (0.5 - np.abs(a - 0.5)) ** 2 + (0.5 - np.abs(b - 0.5)) ** 2
        return np.minimum(first, second) < 0.052
    if kind.pattern == "zigzag":
        w = v * 1.1 + np.abs(a - 0.5) * 1.1
        return w - np.floor(w) > 0.58
    u, v = u * 2, v * 2
    column, row = np.floor(u), np.floor(v)
    chance = [_scatter(np.mod(column, kind.cells * 2), row, salt) for salt in (0, 1, 2)]
    radius = 0.12 + 0.26 * chance[2]  # a fleck stays inside its cell
    away = (u - column - radius - chance[0] * (1 - 2 * radius)) ** 2
    away += (v - row - radius - chance[1] * (1 - 2 * radius)) ** 2
    return away < radius * radius


def _scatter(column: np.ndarray, row: np.ndarray, salt: int) -> np.ndarray:
    """A fixed pseudo-random number in [0, 1) for each cell."""
    seed = column.astype(np.int64) * 374761393 + row.astype(np.int64) * 668265263 + salt * 974634533
    seed = (seed ^ (seed >> 13)) * 1274126177
    return ((seed ^ (seed >> 16)) & 0xFFFF).astype(np.float32) / np.float32(65536)
