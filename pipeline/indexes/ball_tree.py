"""Rows in balls within balls (Omohundro 1989)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.indexes import _trees
from pipeline.records import AnnIndex

CARD = _trees.card("ball tree of scikit-learn: exact; suits more dimensions than a k-d tree, not hundreds")


def build(*, leaf_size: int = 40) -> AnnIndex:
    """leaf_size: rows that are compared without parting them further."""

    def make(rows: np.ndarray) -> Any:
        from sklearn.neighbors import BallTree

        return BallTree(rows, leaf_size=leaf_size)

    return _trees.Tree(make)
