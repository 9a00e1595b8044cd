"""What a picture looks like without any training: its colours, its edges and its layout. Needs no weights."""

from __future__ import annotations

import numpy as np
from PIL.Image import Image, Resampling

from pipeline.errors import UsageError
from pipeline.fingerprints import encoder_fingerprint
from pipeline.plugins import Card

CARD = Card(
    summary="colour histogram, edge directions and layout in numpy, no weights; dim 884, over 1,000 pictures/s a core",
    licence="MIT",
    source="Dalal and Triggs 2005 (edge directions); Swain and Ballard 1991 (colour histogram)",
)

SIDE = 64  # pixels; every picture is squashed to a square
LAYOUT = 8  # the thumbnail's side
DIRECTIONS = 8  # of an edge, over 180 degrees
# Share of each part in the score. Chosen on the clothing photos: highest recall_at_1 of validation against train
# among mixes that leave colour a tenth (more colour costs recall: there, a label is a shape).
EDGES_SHARE, LAYOUT_SHARE, COLOUR_SHARE = 0.7, 0.2, 0.1


def build(*, bins: int = 6, grid: int = 8, device: str = "auto") -> ColorHistogram:
    """bins: steps per axis of the colour histogram, 2 to 12. grid: the edges' cells a side, 2, 4, 8 or 16.

    device: accepted as by every encoder; this one always runs on the CPU.
    """
    if not 2 <= bins <= 12:
        raise UsageError(f"color_histogram: bins={bins} is not between 2 and 12")
    if grid not in (2, 4, 8, 16):
        raise UsageError(f"color_histogram: grid={grid} is not one of 2, 4, 8, 16")
    return ColorHistogram(bins=bins, grid=grid)


class ColorHistogram:
    """records.Encoder; each part has unit length before it is weighted, so the score is their weighted mean."""

    def __init__(self, *, bins: int, grid: int) -> None:
        self.grid = grid
        membership = _membership(bins)  # (4096, colours), nearly all zero
        binned, self._codes = np.nonzero(membership.T)  # sorted by colour bin
        self._weights = membership.T[binned, self._codes]
        self._starts = np.searchsorted(binned, np.arange(membership.shape[1]))
        self.dim = grid * grid * DIRECTIONS + LAYOUT * LAYOUT * 3 + len(self._starts)
        self.fingerprint = encoder_fingerprint(
            architecture="color_histogram 1",  # count on when an embedding changes
            bins=bins,
            grid=grid,
            shares=(EDGES_SHARE, LAYOUT_SHARE, COLOUR_SHARE),
        )

    def preprocess(self, image: Image) -> np.ndarray:
        """RGB picture squashed to (64, 64, 3) uint8."""
        rgb = image if image.mode == "RGB" else image.convert("RGB")  # converting RGB to RGB would copy it
        return np.asarray(rgb.resize((SIDE, SIDE), Resampling.BILINEAR, reducing_gap=3.0))

    def encode(self, batch: np.ndarray) -> np.ndarray:
        """(n, 64, 64, 3) uint8 to (n, dim) float32 of unit length."""
        parts = np.empty((len(batch), self.dim), np.float32)
        for start in range(0, len(batch), 16):  # the temporaries of 16 pictures stay in the processor's cache
            some = batch[start : start + 16]
            edges, layout, colour = _edges(some, self.grid), _layout(some), np.sqrt(self._binned(_colours(some)))
            shares = ((edges, EDGES_SHARE), (layout, LAYOUT_SHARE), (colour, COLOUR_SHARE))
            weighted = [_unit(part) * np.float32(share**0.5) for part, share in shares]
            parts[start : start + 16] = np.concatenate(weighted, axis=1)
        return _unit(parts)  # a plain grey picture has no edges: the other parts then fill the score

    def _binned(self, counts: np.ndarray) -> np.ndarray:
        """(n, 4096) to (n, colours): counts @ membership, without the threads that a matrix product would start.

        Those fight with the worker threads that ingest already runs, one a core.
        """
        return np.add.reduceat(counts[:, self._codes] * self._weights, self._starts, axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row shorter than rounding noise becomes zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, rows / np.maximum(lengths, 1e-6), np.float32(0))


def _edges(batch: np.ndarray, grid: int) -> np.ndarray:
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
    edges = sums.astype(np.float32).reshape(n, grid, grid, DIRECTIONS)

    energy = np.pad(np.square(edges).sum(axis=3), ((0, 0), (1, 1), (1, 1)))  # (n, grid + 2, grid + 2)
    around = sum(energy[:, y : y + grid, x : x + grid] for y in range(3) for x in range(3))
    return (edges / np.sqrt(around + np.float32(0.05))[..., None]).reshape(n, -1)


def _layout(batch: np.ndarray) -> np.ndarray:
    """(n, 64, 64, 3) to (n, 192): an 8 x 8 thumbnail in CIELAB, its mean colour taken off."""
    pixels = SIDE // LAYOUT
    sums = batch.reshape(-1, LAYOUT, pixels, LAYOUT, pixels, 3).sum(axis=(2, 4), dtype=np.int32)
    thumbnails = _lab(sums / np.float32(255 * pixels * pixels)).reshape(len(batch), LAYOUT * LAYOUT, 3)
    # 1e-3 of a lightness step is rounding noise of a plain picture, which has no layout
    centred = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    return np.where(np.abs(centred) > 1e-3, centred, np.float32(0)).astype(np.float32).reshape(len(batch), -1)


def _colours(batch: np.ndarray) -> np.ndarray:
    """(n, 64, 64, 3) to (n, 4096): share of pixels by colour, R, G and B cut to 4 bits."""
    coarse = (batch >> 4).astype(np.int64)
    codes = (coarse[..., 0] << 8) | (coarse[..., 1] << 4) | coarse[..., 2]
    codes += np.arange(len(batch))[:, None, None] << 12
    return np.bincount(codes.ravel(), minlength=len(batch) << 12).reshape(-1, 4096).astype(np.float32) / SIDE**2


def _membership(bins: int) -> np.ndarray:
    """(4096, colours): how much of each coarse RGB colour falls into each CIELAB bin; rows add up to 1.

    A colour between bins belongs to all eight around it, so that a small change of light is a small change here.
    """
    steps = (np.arange(16) + 0.5) / 16
    lab = _lab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3))
    low, high = np.array([0, -60, -60]), np.array([100, 60, 60])  # what photos use of CIELAB; the rest is clipped
    position = np.clip((lab - low) / (high - low), 0, 1) * (bins - 1)  # (4096, 3)
    near = np.maximum(0, 1 - np.abs(position[:, :, None] - np.arange(bins)))  # (4096, 3, bins)
    table = np.einsum("ni,nj,nk->nijk", near[:, 0], near[:, 1], near[:, 2]).reshape(4096, -1)
    return table[:, table.any(axis=0)].astype(np.float32)  # bins that no RGB colour reaches are left out


def _lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to CIELAB under D65: L in [0, 100], a and b about -110 to 110. Last axis 3 in and out."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    xyz = linear @ to_xyz / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
