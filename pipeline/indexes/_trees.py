"""A tree of scikit-learn as records.AnnIndex: exact, by Euclidean distance, which orders unit-length rows as cosine."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.indexes import _answers
from pipeline.plugins import Card


def card(summary: str) -> Card:
    return Card(
        summary=summary,
        licence="BSD-3-Clause",
        source="https://scikit-learn.org/stable/modules/neighbors.html",
        requires=("sklearn",),
        install="pip install scikit-learn",
    )


class Tree:
    """make(rows) gives a tree with `query`."""

    sweep: Sequence[dict[str, int]] = ({},)
    grows: Literal["linear", "root", "log"] = "linear"  # in so many dimensions it visits nearly every row

    def __init__(self, make: Callable[[np.ndarray], Any]) -> None:
        self._make = make

    def add(self, embeddings: np.ndarray) -> None:
        self._n = len(embeddings)
        self._tree = self._make(np.array(embeddings, np.float64))

    def tune(self, **settings: int) -> None:
        """There is one way."""

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        distances, rows = self._tree.query(queries, k=min(k, self._n))
        return _answers.padded(1 - distances**2 / 2, rows, k=k)

    def size_on_disk(self) -> int:
        def save(path: Path) -> None:
            with path.open("wb") as out:
                pickle.dump(self._tree, out, protocol=5)  # written to be weighed; nothing ever reads it

        return _answers.saved_bytes(save)

    def close(self) -> None:
        """Nothing to give back."""
