"""The two or three directions in which the embeddings differ most."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.metrics import map_placing
from pipeline.plugins import Card
from pipeline.projections import _start
from pipeline.records import Neighbours, Progress, silent

CARD = Card(summary="the first principal axes: at once, and distances mean what they seem; groups overlap")


def build() -> PCA:
    return PCA()


@dataclass(frozen=True)
class Linear:
    """records.Projection whose `place` is exact."""

    points: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    made_by: str
    notes: list[str] = field(default_factory=list)

    def place(self, embeddings: np.ndarray) -> np.ndarray:
        return map_placing.linear(embeddings, self.mean, self.axes)


class PCA:
    """records.Projector."""

    wanted = 0

    def fit(
        self,
        embeddings: np.ndarray,
        *,
        neighbours: Neighbours | None = None,
        dimensions: int = 2,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Linear:
        """Neither neighbours nor the seed change anything."""
        progress("pca", 0, 1)
        mean, axes = _start.principal(embeddings, dimensions)
        points = map_placing.linear(embeddings, mean, axes)
        progress("pca", 1, 1)
        return Linear(points, mean, axes, f"NumPy {np.__version__} on the CPU")
