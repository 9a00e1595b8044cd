"""Retrieval metrics on arrays: leave-one-out, ties broken by index, queries without relevant items left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def ranked_relevance(embeddings: np.ndarray, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each row asks all others. (n, n - 1) bool: is the hit at this rank of the query's label; (n,) relevant counts."""
    import numpy as np

    marks = np.asarray(labels)
    scores = embeddings.astype(np.float32) @ embeddings.astype(np.float32).T  # (n, n), cosine
    np.fill_diagonal(scores, -np.inf)  # the query itself comes last and is cut off, duplicates of it stay
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    relevant = marks[order] == marks[:, None]
    return relevant, relevant.sum(1)


def map_at_r(embeddings: np.ndarray, labels: Sequence[str]) -> float:
    """Mean over queries of (1/R) sum over ranks k <= R of precision_at_k where the k-th hit is relevant.

    R: relevant items of the query (Musgrave et al., A Metric Learning Reality Check, 2020, section 3.1).
    nan when no query has a relevant item.
    """
    import numpy as np

    relevant, counts = ranked_relevance(embeddings, labels)
    ranks = np.arange(1, relevant.shape[1] + 1)
    precision = np.cumsum(relevant, 1) / ranks
    inside = ranks <= counts[:, None]
    asked = counts > 0
    if not asked.any():
        return float("nan")
    return float(((precision * relevant * inside).sum(1)[asked] / counts[asked]).mean())


def recall_at_1(embeddings: np.ndarray, labels: Sequence[str]) -> float:
    """Share of queries whose nearest other item has their label, over queries that have a relevant item."""
    relevant, counts = ranked_relevance(embeddings, labels)
    asked = counts > 0
    return float(relevant[asked, 0].mean()) if asked.any() else float("nan")
