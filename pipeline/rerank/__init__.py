"""Another order of a query's hits than by score alone; one file each, chosen by measurement (gallery/ranking.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

NearestRows = Callable[["np.ndarray", int], "np.ndarray"]
"""nearest(direction, n): (m, dim) embeddings of the at most n rows that lie nearest to it, closest first."""


class Reranker(Protocol):
    """What a file of this folder builds: another order of one query's hits. Embeddings have unit length.

    mean: (dim,) of the gallery's embeddings, not of unit length. Two methods, so that any store can find the hits.
    """

    depth: int  # hits that `order` wants; 0 = no more than are shown

    def direction(self, query: np.ndarray, mean: np.ndarray, nearest: NearestRows) -> np.ndarray:
        """(dim,) of unit length: what is searched with instead of `query`."""

    def order(self, query: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Positions of all rows (n, dim), best first; they come closest first. query: what `direction` gave."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """(…, dim) in unit length; zeros stay zeros."""
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def expanded(query: np.ndarray, rows: np.ndarray, *, share: float, alpha: float = 1.0) -> np.ndarray:
    """(dim,) of unit length: the query joined with rows (n, dim), each by its score to the power alpha. share: theirs."""
    weights = (rows @ query).clip(min=0) ** alpha  # (n,)
    return unit((1 - share) * query + share * unit(weights @ rows))
