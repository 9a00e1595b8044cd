"""SimHash: bits instead of floats, all compared by Hamming distance, the best compared again by their floats.

A bit is the side of a random hyperplane (Charikar 2002). Ours, in NumPy; the floats are only read for candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.indexes import _answers, _planes
from pipeline.plugins import Card
from pipeline.records import AnnIndex

CARD = Card(summary="SimHash: bits and Hamming distances, the best compared again by floats; ours, in NumPy")


def build(*, bits: int = 512, candidates: int = 0, thresholds: bool = True, seed: int = 0) -> AnnIndex:
    """bits: of a row. candidates: how many of the nearest bits are compared again by their floats; 0 sweeps it.

    thresholds: a bit is cut at its median over the rows, else at 0.
    """
    if bits < 1:
        raise UsageError(f"simhash: bits={bits} is below 1")
    return SimHash(bits, _answers.settings(candidates=(candidates, (50, 200, 1000))), thresholds, seed)


class SimHash:
    grows: Literal["linear", "root", "log"] = "linear"

    def __init__(self, bits: int, sweep: Sequence[dict[str, int]], thresholds: bool, seed: int) -> None:
        self.sweep, self._candidates = sweep, sweep[-1]["candidates"]
        self._bits, self._thresholds, self._seed = bits, thresholds, seed

    def add(self, embeddings: np.ndarray) -> None:
        self._rows = np.array(embeddings, np.float32)
        self._planes = _planes.drawn(self._rows, bits=self._bits, seed=self._seed, thresholds=self._thresholds)
        self._words = _planes.words(self._planes, self._rows)

    def tune(self, **settings: int) -> None:
        self._candidates = settings["candidates"]

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        words = iter(_planes.words(self._planes, queries).T)

        def answer(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            near = _planes.closest(_planes.hamming(self._words, next(words)), max(k, self._candidates))
            return _answers.best(self._rows[near] @ query, near, k=k)

        return _answers.one_by_one(answer, queries, k=k)

    def size_on_disk(self) -> int:
        return self._rows.nbytes + self._words.nbytes + self._planes.axes.nbytes + self._planes.cuts.nbytes

    def close(self) -> None:
        """Nothing to give back."""
