"""faiss' scalar quantizer: every row compared, each number kept in a byte."""

from __future__ import annotations

from typing import Any

from pipeline.indexes import _faiss
from pipeline.indexes._answers import Metric
from pipeline.records import AnnIndex

CARD = _faiss.card("faiss SQ8: every row compared, a byte for each number; a quarter of the memory")


def build(*, metric: Metric = "cosine", threads: int = 1) -> AnnIndex:
    def make(dim: int, n: int) -> Any:
        faiss = _faiss.library()
        return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, _faiss.compared_by(metric))

    return _faiss.Faiss(make, to_cosine=_faiss.cosines_of(metric), threads=threads)
