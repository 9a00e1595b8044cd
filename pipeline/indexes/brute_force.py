"""Every row is compared: exact, nothing to build, and the time grows with the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pipeline.indexes import _answers, _faiss
from pipeline.indexes._answers import Metric
from pipeline.plugins import Card
from pipeline.records import AnnIndex

CARD = Card(summary="every row compared, by NumPy or faiss: exact", source="https://faiss.ai")
USUAL = ("brute_force:engine=numpy", "brute_force:engine=faiss")
_SCORES_AT_ONCE = 1 << 22  # 16 MB


def build(*, engine: Literal["numpy", "faiss"] = "numpy", metric: Metric = "cosine", threads: int = 1) -> AnnIndex:
    """engine: faiss is faiss' IndexFlat. threads: of faiss; NumPy has those of the environment."""
    if engine == "faiss":
        _faiss.installed("brute_force:engine=faiss")
        return _faiss.Faiss(
            lambda dim, n: _faiss.library().IndexFlat(dim, _faiss.compared_by(metric)),
            to_cosine=_faiss.cosines_of(metric), threads=threads,
        )  # fmt: skip
    return BruteForce(metric)


class BruteForce:
    sweep: Sequence[dict[str, int]] = ({},)
    grows: Literal["linear", "root", "log"] = "linear"

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def add(self, embeddings: np.ndarray) -> None:
        self._rows = np.array(embeddings, np.float32)
        self._squares = np.square(self._rows).sum(axis=1)  # (n,)

    def tune(self, **settings: int) -> None:
        """There is one way."""

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        n = len(self._rows)
        limit = min(k, n)
        scores, rows = np.empty((len(queries), limit), np.float32), np.empty((len(queries), limit), np.int64)
        step = max(1, _SCORES_AT_ONCE // n)
        for start in range(0, len(queries), step):
            block = slice(start, start + step)
            products = queries[block] @ self._rows.T  # (step, n)
            if self._metric == "euclidean":
                squares = np.square(queries[block]).sum(axis=1)  # (step,)
                products = _answers.of_squared(squares[:, None] + self._squares - 2 * products)
            some = np.argpartition(products, n - limit, axis=1)[:, n - limit :]
            close = np.take_along_axis(products, some, axis=1)
            order = np.argsort(-close, axis=1, kind="stable")
            scores[block] = np.take_along_axis(close, order, axis=1)
            rows[block] = np.take_along_axis(some, order, axis=1)
        return _answers.padded(scores, rows, k=k)

    def size_on_disk(self) -> int:
        return self._rows.nbytes

    def close(self) -> None:
        """Nothing to give back."""
