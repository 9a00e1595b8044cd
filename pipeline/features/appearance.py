"""What pictures of 64 x 64 pixels look like, in plain numbers: colours in CIELAB and edges by direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 64  # pixels; every picture is squashed to a square
DIRECTIONS = 8  # of an edge, over 180 degrees


def squashed(image: Image) -> np.ndarray:
    """An RGB picture of any shape to (64, 64, 3) uint8."""
    from PIL.Image import Resampling

    return np.asarray(image.resize((SIDE, SIDE), Resampling.BILINEAR, reducing_gap=3.0))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row shorter than rounding noise becomes zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, rows / np.maximum(lengths, 1e-6), np.float32(0))


def edges(batch: np.ndarray, grid: int) -> np.ndarray:
    """(n, 64, 64, 3) to (n, grid * grid * 8): strength of edges by cell and direction, evened out by neighbourhood."""
    # The square root makes an edge in a dark picture count like the same edge in a bright one.
    grey = np.sqrt(batch.sum(axis=3, dtype=np.int32).astype(np.float32) * np.float32(1 / 765))  # (n, 64, 64) in [0, 1]
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    strength = np.sqrt(across * across + down * down)
    position = np.arctan2(down, across) * np.float32(DIRECTIONS / np.pi)  # -8 to 8, equal modulo 8
    lower = np.floor(position)
    second = strength * (position - lower)  # each edge is shared by the two directions next to it
    lower = lower.astype(np.int64) % DIRECTIONS

    n, pixels = len(batch), SIDE // grid
    rows = np.arange(SIDE) // pixels
    cell = (np.arange(n)[:, None, None] * grid + rows[:, None]) * grid + rows  # (n, 64, 64)
    slots = n * grid * grid * DIRECTIONS
    place = (cell * DIRECTIONS + lower).ravel()
    after = (cell * DIRECTIONS + (lower + 1) % DIRECTIONS).ravel()
    sums = np.bincount(place, (strength - second).ravel(), slots) + np.bincount(after, second.ravel(), slots)
    found = sums.astype(np.float32).reshape(n, grid, grid, DIRECTIONS)

    energy = np.pad(np.square(found).sum(axis=3), ((0, 0), (1, 1), (1, 1)))  # (n, grid + 2, grid + 2)
    around = sum(energy[:, y : y + grid, x : x + grid] for y in range(3) for x in range(3))
    return (found / np.sqrt(around + np.float32(0.05))[..., None]).reshape(n, -1)


def colours(batch: np.ndarray) -> np.ndarray:
    """(n, height, width, 3) uint8 to (n, 4096): share of pixels by colour, R, G and B cut to 4 bits."""
    coarse = (batch >> 4).astype(np.int64)
    codes = (coarse[..., 0] << 8) | (coarse[..., 1] << 4) | coarse[..., 2]
    codes += np.arange(len(batch))[:, None, None] << 12
    counts = np.bincount(codes.ravel(), minlength=len(batch) << 12).reshape(-1, 4096).astype(np.float32)
    return counts / (batch.shape[1] * batch.shape[2])


def membership(bins: int) -> np.ndarray:
    """(4096, colours): how much of each coarse RGB colour falls into each CIELAB bin; rows add up to 1.

    A colour between bins belongs to all eight around it, so that a small change of light is a small change here.
    """
    steps = (np.arange(16) + 0.5) / 16
    centres = lab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3))
    low, high = np.array([0, -60, -60]), np.array([100, 60, 60])  # what photos use of CIELAB; the rest is clipped
    position = np.clip((centres - low) / (high - low), 0, 1) * (bins - 1)  # (4096, 3)
    near = np.maximum(0, 1 - np.abs(position[:, :, None] - np.arange(bins)))  # (4096, 3, bins)
    table = np.einsum("ni,nj,nk->nijk", near[:, 0], near[:, 1], near[:, 2]).reshape(4096, -1)
    return table[:, table.any(axis=0)].astype(np.float32)  # bins that no RGB colour reaches are left out


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to CIELAB under D65: L in [0, 100], a and b about -110 to 110. Last axis 3 in and out."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    xyz = linear @ to_xyz / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
