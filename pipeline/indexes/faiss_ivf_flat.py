"""faiss' inverted file: rows in cells around k-means centres, and only the cells nearest to the query are read."""

from __future__ import annotations

from typing import Any

from pipeline.indexes import _answers, _faiss
from pipeline.indexes._answers import Metric
from pipeline.records import AnnIndex

CARD = _faiss.card("faiss IVF-Flat: cells of near rows, compared exactly")


def build(*, cells: int = 0, nprobe: int = 0, metric: Metric = "cosine", seed: int = 0, threads: int = 1) -> AnnIndex:
    """cells: 0 = 4 sqrt(n), fewer of few rows. nprobe: how many cells are read; 0 sweeps it."""

    def make(dim: int, n: int) -> Any:
        faiss = _faiss.library()
        count = min(cells, n) if cells else _faiss.cells(n)
        by = _faiss.compared_by(metric)
        index = faiss.IndexIVFFlat(faiss.IndexFlat(dim, by), dim, count, by)
        return _faiss.inverted(index, seed=seed)

    def apply(index: Any, settings: dict[str, int], k: int) -> None:
        index.nprobe = min(settings["nprobe"], index.nlist)

    sweep = _answers.settings(nprobe=(nprobe, (1, 2, 4, 8, 16, 32, 64)))
    return _faiss.Faiss(
        make, sweep=sweep, grows="root", apply=apply, to_cosine=_faiss.cosines_of(metric), threads=threads
    )
