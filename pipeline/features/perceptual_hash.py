"""A picture's look in 64 bits that survive re-encoding and resizing: pHash of the discrete cosine transform.

Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, section 3.2.1.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image

BITS = 64
_SIDE, _KEPT = 32, 8  # the picture is squeezed to 32 × 32; 8 × 8 of its frequencies are kept


def perceptual_hash(image: Image.Image) -> int:
    """64 bits, one for each low frequency but the mean: is it above the median of all 64? The shape is ignored.

    A picture of one colour has no frequencies, so its hash means nothing.
    """
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    waves = _waves()
    low = waves @ np.asarray(small, np.float64) @ waves.T  # (8, 8)
    above = (low > np.median(low)).ravel()
    return int(np.packbits(above).view(">u8")[0])


@functools.cache
def _waves() -> np.ndarray:
    """(8, 32) rows 1 to 8 of the orthonormal DCT-II; row 0, the mean, would only say how bright the picture is."""
    frequency = np.arange(1, _KEPT + 1)[:, None]
    place = np.arange(_SIDE)[None, :] + 0.5
    return math.sqrt(2 / _SIDE) * np.cos(math.pi / _SIDE * frequency * place)
