"""NGT of Yahoo Japan: a graph of near neighbours, entered through a tree; it lives in a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.indexes import _answers
from pipeline.plugins import Card
from pipeline.records import AnnIndex

CARD = Card(
    summary="NGT: a graph of neighbours entered through a tree",
    licence="Apache-2.0",
    source="https://github.com/yahoojapan/NGT",
    requires=("ngtpy",),
    install="pip install ngt",
)


def build(*, edges: int = 20, epsilon_percent: int = 0, threads: int = 1) -> AnnIndex:
    """edges: links of a row. epsilon_percent: how far beyond the k-th hit it goes on, in hundredths; 0 sweeps it."""
    return Ngt(edges, _answers.settings(epsilon_percent=(epsilon_percent, (2, 5, 10, 20, 30))), threads)


class Ngt:
    grows: Literal["linear", "root", "log"] = "log"

    def __init__(self, edges: int, sweep: Sequence[dict[str, int]], threads: int) -> None:
        self.sweep, self._epsilon = sweep, sweep[-1]["epsilon_percent"] / 100
        self._edges, self._threads, self._folder = edges, threads, Path()

    def add(self, embeddings: np.ndarray) -> None:
        import ngtpy

        self._n = len(embeddings)
        self._folder = Path(tempfile.mkdtemp(prefix="ngt-"))
        where = str(self._folder / "index")
        ngtpy.create(where, embeddings.shape[1], edge_size_for_creation=self._edges, distance_type="Cosine")
        self._index = ngtpy.Index(where, log_disabled=True)
        self._index.batch_insert(np.ascontiguousarray(embeddings, np.float32), num_threads=self._threads)
        self._index.save()

    def tune(self, **settings: int) -> None:
        self._epsilon = settings["epsilon_percent"] / 100

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        def answer(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            hits = self._index.search(query, size=min(k, self._n), epsilon=self._epsilon)
            rows, distances = (np.array(column) for column in zip(*hits, strict=True)) if hits else ((), ())
            return 1 - np.array(distances), np.array(rows, np.int64)

        return _answers.one_by_one(answer, queries, k=k)

    def size_on_disk(self) -> int:
        return _answers.folder_bytes(self._folder)

    def close(self) -> None:
        if self._folder.name:
            self._index.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = Path()
