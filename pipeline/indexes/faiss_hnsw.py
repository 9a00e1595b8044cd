"""faiss' graph of small worlds (Malkov and Yashunin 2016): near neighbours linked on several levels."""

from __future__ import annotations

from typing import Any

from pipeline.indexes import _answers, _faiss
from pipeline.indexes._answers import Metric
from pipeline.records import AnnIndex

CARD = _faiss.card("faiss HNSW: a graph; quick and close to exact, and larger than the embeddings")


def build(
    *, m: int = 16, ef_construction: int = 200, ef: int = 0, metric: Metric = "cosine", threads: int = 1
) -> AnnIndex:
    """m: links of a row. ef: rows kept in view while searching, more finds more; 0 sweeps it."""

    def make(dim: int, n: int) -> Any:
        faiss = _faiss.library()
        index = faiss.IndexHNSWFlat(dim, m, _faiss.compared_by(metric))
        index.hnsw.efConstruction = ef_construction
        return index

    def apply(index: Any, settings: dict[str, int], k: int) -> None:
        index.hnsw.efSearch = max(settings["ef"], k)

    sweep = _answers.settings(ef=(ef, (16, 32, 64, 128, 256, 512)))
    return _faiss.Faiss(
        make, sweep=sweep, grows="log", apply=apply, to_cosine=_faiss.cosines_of(metric), threads=threads
    )
