"""The picture itself, made tiny: the baseline that everything learned has to beat."""

from __future__ import annotations

import numpy as np
from PIL.Image import Image, Resampling

from pipeline.errors import UsageError
from pipeline.fingerprints import encoder_fingerprint
from pipeline.plugins import Card

CARD = Card(summary="an 8 × 8 thumbnail in RGB, no weights; dim 193: the baseline to beat")


def build(*, side: int = 8, device: str = "auto") -> RawPixels:
    """side: px of the thumbnail, 2 to 64. device: accepted as by every encoder; this one always runs on the CPU."""
    if not 2 <= side <= 64:
        raise UsageError(f"raw_pixels: side={side} is not between 2 and 64")
    return RawPixels(side)


class RawPixels:
    """records.Encoder. Colours count from mid-grey, and a constant gives a grey picture a direction too."""

    def __init__(self, side: int) -> None:
        self.side, self.dim = side, 3 * side * side + 1
        self.fingerprint = encoder_fingerprint(architecture="raw_pixels 1", side=side)

    def preprocess(self, image: Image) -> np.ndarray:
        """RGB picture squashed to (side, side, 3) uint8."""
        return np.asarray(image.convert("RGB").resize((self.side, self.side), Resampling.BOX, reducing_gap=3.0))

    def encode(self, batch: np.ndarray) -> np.ndarray:
        """(n, side, side, 3) uint8 to (n, dim) float32 of unit length."""
        centred = batch.reshape(len(batch), self.dim - 1).astype(np.float32) / 127.5 - 1
        rows = np.append(centred, np.full((len(batch), 1), 0.1, np.float32), axis=1)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
