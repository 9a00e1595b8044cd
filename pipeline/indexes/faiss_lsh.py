"""faiss' own LSH: bits by a random rotation, all compared by Hamming distance; the best are compared again by floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.indexes import _answers, _faiss
from pipeline.records import AnnIndex

CARD = _faiss.card("faiss LSH: bits of a random rotation, Hamming distances, the best compared again")


def build(*, bits: int = 512, candidates: int = 0, thresholds: bool = True, threads: int = 1) -> AnnIndex:
    """bits: of a row. candidates: how many of the nearest bits are compared again by their floats; 0 sweeps it.

    thresholds: a bit is cut at its median over the rows, else at 0.
    """

    def make(dim: int, n: int) -> Any:
        faiss = _faiss.library()
        return faiss.IndexRefineFlat(faiss.IndexLSH(dim, bits, True, thresholds))

    def apply(index: Any, settings: dict[str, int], k: int) -> None:
        index.k_factor = max(1.0, min(settings["candidates"], index.ntotal) / k)

    def to_cosine(squared: np.ndarray) -> np.ndarray:  # of Euclidean distances, which it refines by
        return 1 - squared / 2

    sweep = _answers.settings(candidates=(candidates, (50, 200, 1000)))
    return _faiss.Faiss(make, sweep=sweep, apply=apply, to_cosine=to_cosine, threads=threads)
