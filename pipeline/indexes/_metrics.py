"""What an index compares by. On embeddings of unit length the three give one order, and the distance is 2 − 2 cosine."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Metric = Literal["cosine", "euclidean", "inner_product"]
NAMES: tuple[Metric, ...] = get_args(Metric)


def of_squared(distances: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of unit rows to their cosines."""
    return 1 - distances / 2


def of_cosine_distance(distances: np.ndarray) -> np.ndarray:
    """1 − cosine to the cosine."""
    return 1 - distances


def as_they_are(scores: np.ndarray) -> np.ndarray:
    return scores


def negated(scores: np.ndarray) -> np.ndarray:
    return -scores
