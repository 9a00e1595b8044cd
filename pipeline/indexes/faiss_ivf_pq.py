"""faiss' inverted file of product codes (Jégou et al. 2011): a few bytes a row, and scores that are estimates."""

from __future__ import annotations

from typing import Any

from pipeline.errors import UsageError
from pipeline.indexes import _answers, _faiss
from pipeline.records import AnnIndex

CARD = _faiss.card("faiss IVF-PQ: cells of rows kept in a few bytes each; small, and less exact")


def build(
    *, cells: int = 0, pieces: int = 0, nprobe: int = 0, rerank: int = 0, seed: int = 0, threads: int = 1
) -> AnnIndex:
    """pieces: bytes a row, a divisor of dim; 0 = about a piece for 8 dimensions. nprobe: 0 sweeps it.

    rerank: this many candidates are compared again by their floats, which are then kept too; 0 = none.
    """

    def make(dim: int, n: int) -> Any:
        faiss = _faiss.library()
        if pieces and dim % pieces:
            raise UsageError(f"faiss_ivf_pq: pieces={pieces} does not divide {dim} dimensions")
        parts = pieces or max(count for count in range(1, max(1, dim // 8) + 1) if dim % count == 0)
        bits = max(1, min(8, n.bit_length() - 1))  # a codebook has no more entries than there are rows
        count = min(cells, n) if cells else _faiss.cells(n)
        index = faiss.IndexIVFPQ(faiss.IndexFlatIP(dim), dim, count, parts, bits, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.seed = seed
        index.pq.cp.min_points_per_centroid = 1
        index = _faiss.inverted(index, seed=seed)
        return faiss.IndexRefineFlat(index) if rerank else index

    def apply(index: Any, settings: dict[str, int], k: int) -> None:
        base = index
        if rerank:
            index.k_factor = max(1.0, rerank / k)
            base = _faiss.library().downcast_index(index.base_index)
        base.nprobe = min(settings["nprobe"], base.nlist)

    sweep = _answers.settings(nprobe=(nprobe, (1, 2, 4, 8, 16, 32, 64)))
    return _faiss.Faiss(make, sweep=sweep, grows="root", apply=apply, threads=threads)
