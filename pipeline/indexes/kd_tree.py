"""Rows halved again and again along one coordinate (Bentley 1975)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.indexes import _trees
from pipeline.records import AnnIndex

CARD = _trees.card("k-d tree of scikit-learn: exact; beyond some 20 dimensions slower than comparing every row")


def build(*, leaf_size: int = 40) -> AnnIndex:
    """leaf_size: rows that are compared without halving them further."""

    def make(rows: np.ndarray) -> Any:
        from sklearn.neighbors import KDTree

        return KDTree(rows, leaf_size=leaf_size)

    return _trees.Tree(make)
