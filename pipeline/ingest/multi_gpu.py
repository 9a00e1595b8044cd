"""One encoder on several processors: a copy on each, batches to the one with the least to do."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline import devices, plugins
from pipeline.records import Encoder

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


def build(spec: str, device: str) -> Encoder:
    """The encoder that `spec` names; on `cuda:all` a copy on every GPU. UsageError when there is none."""
    if device == devices.EVERY_GPU:
        return on_each(spec, devices.every_gpu())
    encoder: Encoder = plugins.build("encoders", spec, device=device)
    return encoder


def on_each(spec: str, names: Sequence[str]) -> Encoder:
    """names: devices, one copy each."""
    return Spread([plugins.build("encoders", spec, device=name) for name in names])


class Spread:
    """records.Encoder over equal copies. Several threads must call `encode` at once to keep more than one copy busy."""

    def __init__(self, copies: Sequence[Encoder]) -> None:
        self.copies = copies
        self.dim, self.fingerprint = copies[0].dim, copies[0].fingerprint
        self._at_work = [0] * len(copies)  # batches in each copy
        self._begun = 0
        self._choosing = threading.Lock()

    def preprocess(self, image: Image) -> np.ndarray:
        return self.copies[0].preprocess(image)

    def encode(self, batch: np.ndarray) -> np.ndarray:
        number = self._take()
        try:
            return self.copies[number].encode(batch)
        finally:
            with self._choosing:
                self._at_work[number] -= 1

    def _take(self) -> int:
        with self._choosing:
            n = len(self.copies)
            turn = [(self._begun + i) % n for i in range(n)]  # in turn where several have as little to do
            number = min(turn, key=self._at_work.__getitem__)
            self._begun += 1
            self._at_work[number] += 1
            return number
