"""A mask as it stands in annotations (COCO's polygons or RLE, as JSON) to pixels and back."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


def decode(mask: str, *, width: int, height: int) -> np.ndarray:
    """(height, width) bool. Raises UsageError for a mask that is damaged or of another picture's size."""
    import numpy as np

    try:
        encoded = json.loads(mask)
        if isinstance(encoded, dict) and [int(side) for side in encoded["size"]] != [height, width]:
            raise ValueError(f"it is for a picture of {encoded['size'][1]} × {encoded['size'][0]}")
        runs = _runs(encoded["counts"] if isinstance(encoded, dict) else _filled(encoded, width, height))
        if min(runs, default=-1) < 0 or sum(runs) != width * height:
            raise ValueError("its runs do not add up to the picture")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise UsageError(f"a mask cannot be read ({error}); export the annotations again") from error
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T  # runs go down the columns


def encode(pixels: np.ndarray) -> str:
    """(height, width) bool to COCO's compressed RLE."""
    import numpy as np
    from pycocotools import mask as coco

    packed = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return json.dumps({"size": list(map(int, packed["size"])), "counts": packed["counts"].decode("ascii")})


def box_of(pixels: np.ndarray) -> list[float] | None:
    """x, y, width, height around what is True in (height, width) bool; None when nothing is."""
    import numpy as np

    across, down = np.flatnonzero(pixels.any(axis=0)), np.flatnonzero(pixels.any(axis=1))
    if not len(across):
        return None
    x, y = float(across[0]), float(down[0])
    return [x, y, float(across[-1]) + 1 - x, float(down[-1]) + 1 - y]


def _runs(counts: Any) -> list[int]:
    """COCO's compressed counts, read here: pycocotools trusts what it is given."""
    if isinstance(counts, list):
        return [int(count) for count in counts]
    runs: list[int] = []
    value = shift = 0
    for char in counts:  # five bits a sign, the sixth says that more follow; from the third on, differences
        bits = ord(char) - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def _filled(rings: Any, width: int, height: int) -> str:
    """Polygons to compressed counts."""
    from pycocotools import mask as coco

    plain = [[float(value) for value in ring] for ring in rings]
    if not plain or any(len(ring) < 6 or len(ring) % 2 or not all(map(math.isfinite, ring)) for ring in plain):
        raise ValueError("a polygon needs three points or more")
    counts: bytes = coco.merge(coco.frPyObjects(plain, height, width))["counts"]
    return counts.decode("ascii")
