"""Annoy: a forest of trees that split between two random rows; the file is read in place by any number of processes."""

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
    summary="Annoy: a forest of random trees in one file",
    licence="Apache-2.0",
    source="https://github.com/spotify/annoy",
    requires=("annoy",),
    install="pip install annoy (it is compiled: it needs g++, on Debian and Ubuntu: apt install g++ python3-dev)",
)

_SPACES: dict[str, Literal["angular", "euclidean", "dot"]] = {
    "cosine": "angular",
    "euclidean": "euclidean",
    "inner_product": "dot",
}


def build(
    *, trees: int = 20, search_k: int = 0, metric: Metric = "cosine", seed: int = 0, threads: int = 1
) -> AnnIndex:
    """search_k: rows looked at, more finds more; 0 sweeps it. threads: while building; a search has one."""
    return Annoy(
        trees, _answers.settings(search_k=(search_k, (200, 1000, 5000, 20_000, 100_000))), metric, seed, threads
    )


class Annoy:
    grows: Literal["linear", "root", "log"] = "log"

    def __init__(self, trees: int, sweep: Sequence[dict[str, int]], metric: Metric, seed: int, threads: int) -> None:
        self.sweep, self._search_k = sweep, sweep[-1]["search_k"]
        self._trees, self._metric, self._seed, self._threads = trees, metric, seed, threads

    def add(self, embeddings: np.ndarray) -> None:
        from annoy import AnnoyIndex

        self._n = len(embeddings)
        self._index = AnnoyIndex(embeddings.shape[1], _SPACES[self._metric])
        self._index.set_seed(self._seed + 1)  # 0 would be its default
        for row, embedding in enumerate(embeddings):
            self._index.add_item(row, embedding.tolist())
        self._index.build(self._trees, n_jobs=self._threads)

    def tune(self, **settings: int) -> None:
        self._search_k = settings["search_k"]

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        def answer(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows, distances = self._index.get_nns_by_vector(
                query.tolist(), min(k, self._n), self._search_k, include_distances=True
            )
            found = np.array(distances)
            # its angular distance is sqrt(2 - 2 cosine), the Euclidean one of unit rows
            scores = found if self._metric == "inner_product" else _answers.of_squared(found**2)
            return scores, np.array(rows, np.int64)

        return _answers.one_by_one(answer, queries, k=k)

    def size_on_disk(self) -> int:
        def save(path: Path) -> None:
            self._index.save(str(path))  # from then on it is read from this file, which stays open when it is unlinked

        return _answers.saved_bytes(save)

    def close(self) -> None:
        """Nothing to give back."""
