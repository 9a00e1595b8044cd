"""Principal axes of embeddings: what `reencode --pca` keeps the first of, and `embedding-length` measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def fit(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """mean (dim,), axes (dim, dim) one a row, and the variance along each (dim,), largest first; all float64."""
    import numpy as np

    mean = embeddings.mean(0, dtype=np.float64)
    centred = embeddings - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)  # eigenvalues ascending
    return mean, vectors[:, ::-1].T, values[::-1].clip(min=0) / len(embeddings)
