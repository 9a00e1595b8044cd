"""NMSLIB: the graph of small worlds by its authors (Malkov and Yashunin 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.indexes import _answers
from pipeline.indexes._answers import Metric
from pipeline.plugins import Card
from pipeline.records import AnnIndex

CARD = Card(
    summary="NMSLIB HNSW: a graph; pip's wheel is compiled without AVX",
    licence="Apache-2.0",
    source="https://github.com/nmslib/nmslib",
    requires=("nmslib",),
    install="pip install nmslib",
)

_SPACES = {
    "cosine": ("cosinesimil", _answers.of_cosine_distance),
    "euclidean": ("l2", _answers.of_squared),  # it gives the distance squared
    "inner_product": ("negdotprod", _answers.negated),
}


def build(
    *, m: int = 16, ef_construction: int = 200, ef: int = 0, metric: Metric = "cosine", threads: int = 1
) -> AnnIndex:
    """m: links of a row. ef: rows kept in view while searching; 0 sweeps it. The seed is the library's own."""
    return Nmslib(m, ef_construction, _answers.settings(ef=(ef, (16, 32, 64, 128, 256, 512))), metric, threads)


class Nmslib:
    grows: Literal["linear", "root", "log"] = "log"

    def __init__(
        self, m: int, ef_construction: int, sweep: Sequence[dict[str, int]], metric: Metric, threads: int
    ) -> None:
        self.sweep, self._ef = sweep, sweep[-1]["ef"]
        self._m, self._ef_construction, self._metric, self._threads = m, ef_construction, metric, threads

    def add(self, embeddings: np.ndarray) -> None:
        import nmslib

        self._n = len(embeddings)
        self._index = nmslib.init(method="hnsw", space=_SPACES[self._metric][0])
        self._index.addDataPointBatch(np.ascontiguousarray(embeddings, np.float32))
        settings = {"M": self._m, "efConstruction": self._ef_construction, "indexThreadQty": self._threads, "post": 0}
        self._index.createIndex(settings, print_progress=False)

    def tune(self, **settings: int) -> None:
        self._ef = settings["ef"]

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        self._index.setQueryTimeParams({"efSearch": max(self._ef, k)})
        hits = self._index.knnQueryBatch(queries, k=min(k, self._n), num_threads=self._threads)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        for at, (some, distances) in enumerate(hits):
            rows[at, : len(some)], scores[at, : len(some)] = some, _SPACES[self._metric][1](distances)
        return _answers.padded(scores, rows, k=k)

    def size_on_disk(self) -> int:
        def save(path: Path) -> None:
            self._index.saveIndex(str(path), save_data=True)

        return _answers.saved_bytes(save)

    def close(self) -> None:
        """Nothing to give back."""
