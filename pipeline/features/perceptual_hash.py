"""A picture's look in 64 bits that survive re-encoding and resizing: pHash of the discrete cosine transform.

Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, section 3.2.1.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image

BITS = 64
ORIENTATIONS = (
    "mirrored",
    "turned 90°",
    "turned 180°",
    "turned 270°",
    "mirrored, turned 90°",
    "mirrored, turned 180°",
    "mirrored, turned 270°",
)
_SIDE, _KEPT = 32, 8  # the picture is squeezed to 32 × 32; 8 × 8 of its frequencies are kept


def perceptual_hash(image: Image.Image) -> int:
    """64 bits, one for each low frequency but the mean: is it above the median of all 64? The shape is ignored.

    A picture of one colour has no frequencies, so its hash means nothing.
    """
    return _bits(_low(image))


def turned_hashes(image: Image.Image) -> list[int]:
    """The hashes of the picture seen in each of the ORIENTATIONS, without making them."""
    low = _low(image)
    flip = (-1.0) ** np.arange(1, _KEPT + 1)  # a mirror turns the sign of every odd frequency
    seen = []
    for name in ORIENTATIONS:
        turned = low * flip[None, :] if name.startswith("mirrored") else low
        for _ in range(quarter_turns(name)):
            turned = (turned * flip[None, :]).T  # np.rot90 of the picture: mirrored across, then transposed
        seen.append(_bits(turned))
    return seen


def quarter_turns(name: str) -> int:
    """How many times np.rot90 is applied, after the mirror, for an orientation."""
    return {"90°": 1, "180°": 2, "270°": 3}.get(name.split()[-1], 0)


def in_orientation(pixels: np.ndarray, name: str) -> np.ndarray:
    """(height, width, …) pixels mirrored and turned as the name says."""
    seen = pixels[:, ::-1] if name.startswith("mirrored") else pixels
    return np.ascontiguousarray(np.rot90(seen, quarter_turns(name)))


def _low(image: Image.Image) -> np.ndarray:
    """(8, 8) low frequencies."""
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    waves = _waves()
    low: np.ndarray = waves @ np.asarray(small, np.float64) @ waves.T
    return low


def _bits(low: np.ndarray) -> int:
    above = (low > np.median(low)).ravel()
    return int(np.packbits(above).view(">u8")[0])


@functools.cache
def _waves() -> np.ndarray:
    """(8, 32) rows 1 to 8 of the orthonormal DCT-II; row 0, the mean, would only say how bright the picture is."""
    frequency = np.arange(1, _KEPT + 1)[:, None]
    place = np.arange(_SIDE)[None, :] + 0.5
    return math.sqrt(2 / _SIDE) * np.cos(math.pi / _SIDE * frequency * place)
