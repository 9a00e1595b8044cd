"""Where a further picture stands on a map that is made: a mean of the points of the pictures it is closest to.

The map is not computed again and nothing of it moves; no library that made it is needed. UMAP's and t-SNE's own
transforms optimise each new point for seconds; this is one product.
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.retrieval import SCORES_AT_ONCE, highest

NEAREST = 10
SOFTNESS = 1e-5  # in 1 - score: closer than that is the same picture, whose point it then takes


def place(embeddings: np.ndarray, fitted: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(m, dims) float32 for (m, dim) embeddings; `fitted` (n, dim) are the embeddings whose `points` (n, dims) are known.

    A picture between two groups is put between them, where none of its neighbours may be: the mean says so little.
    """
    k = min(NEAREST, len(fitted))
    placed = np.empty((len(embeddings), points.shape[1]), np.float32)
    step = max(1, SCORES_AT_ONCE // len(fitted))
    for start in range(0, len(embeddings), step):
        scores, rows = highest(embeddings[start : start + step] @ fitted.T, k)  # float32: far finer than SOFTNESS
        placed[start : start + step] = weighted(scores, points[rows])
    return placed


def weighted(scores: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(m, dims) float32: the mean of (m, k, dims) points with weights 1 / (1 - score); scores are (m, k) cosines.

    1 - score is half the squared distance of unit embeddings, so that a copy of a picture takes that picture's point.
    """
    weights = 1 / (1 - scores.astype(np.float64)).clip(min=SOFTNESS)  # (m, k)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("mk,mkd->md", weights, points, dtype=np.float64).astype(np.float32)


def linear(embeddings: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """(m, dims) float32: exact where the map is the first principal axes."""
    return ((embeddings - mean) @ axes.T).astype(np.float32)
