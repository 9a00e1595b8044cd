"""A faiss index as records.AnnIndex: inner products of unit-length rows, which are cosines."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.indexes import _answers
from pipeline.plugins import Card

INSTALL = "pip install faiss-cpu"


def card(summary: str) -> Card:
    return Card(
        summary=summary, source="https://github.com/facebookresearch/faiss", requires=("faiss",), install=INSTALL
    )


def library() -> Any:
    import faiss

    return faiss


def installed(spec: str) -> None:
    if importlib.util.find_spec("faiss") is None:
        raise UsageError(f"{spec} needs a library that is not installed: {INSTALL}")


def compared_by(metric: _answers.Metric) -> int:
    """faiss' name for it: the cosine is the inner product of unit rows."""
    faiss = library()
    return int(faiss.METRIC_L2 if metric == "euclidean" else faiss.METRIC_INNER_PRODUCT)


def cosines_of(metric: _answers.Metric) -> Callable[[np.ndarray], np.ndarray]:
    """What makes cosines of its answers."""
    return _answers.of_squared if metric == "euclidean" else _answers.as_they_are


def cells(n: int) -> int:
    """How many cells suit n rows: 4 sqrt(n), and 39 rows each as faiss wants for training."""
    return max(1, min(int(4 * n**0.5), n // 39))


def inverted(index: Any, *, seed: int) -> Any:
    """An IVF index that trains with this seed, and takes as many rows for that as there are."""
    index.cp.seed = seed
    index.cp.min_points_per_centroid = 1
    return index


class Faiss:
    """make(dim, n) gives a faiss index; apply(index, settings, k) sets what `tune` was told."""

    def __init__(
        self,
        make: Callable[[int, int], Any],
        *,
        sweep: Sequence[dict[str, int]] = ({},),
        grows: Literal["linear", "root", "log"] = "linear",
        apply: Callable[[Any, dict[str, int], int], object] = lambda index, settings, k: None,
        to_cosine: Callable[[np.ndarray], np.ndarray] = _answers.as_they_are,
        threads: int = 1,
    ) -> None:
        self.sweep, self.grows, self._settings = sweep, grows, dict(sweep[-1])
        self._make, self._apply, self._to_cosine, self._threads = make, apply, to_cosine, threads

    def add(self, embeddings: np.ndarray) -> None:
        rows = np.ascontiguousarray(embeddings, np.float32)
        library().omp_set_num_threads(self._threads)
        self._index = self._make(rows.shape[1], len(rows))
        if not self._index.is_trained:
            self._index.train(rows if len(rows) > 1 else np.repeat(rows, 2, axis=0))  # a codebook has two entries
        self._index.add(rows)

    def tune(self, **settings: int) -> None:
        self._settings = settings

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        self._apply(self._index, self._settings, k)
        limit = min(k, self._index.ntotal)
        scores, rows = self._index.search(np.ascontiguousarray(queries, np.float32), limit)
        return _answers.padded(self._to_cosine(scores), rows, k=k)

    def size_on_disk(self) -> int:
        return _answers.saved_bytes(lambda path: library().write_index(self._index, str(path)))

    def close(self) -> None:
        """Nothing to give back."""
