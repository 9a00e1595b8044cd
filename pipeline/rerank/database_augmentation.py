"""Every hit speaks for its neighbours too: database-side augmentation (Arandjelović and Zisserman, CVPR 2012, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.plugins import Card
from pipeline.rerank import expanded, unit

if TYPE_CHECKING:
    import numpy as np

    from pipeline.rerank import NearestRows

CARD = Card(
    "each of the first hits joined with its nearest among them, then asked again as query_expansion does",
    source="https://doi.org/10.1109/CVPR.2012.6248018",
)


class DatabaseAugmentation:
    """A Reranker over the first `depth` hits alone. The paper augments all rows of the database beforehand; among the first
    hits nearly the same is won, and a gallery needs no second set of rows (docs/experiments.md)."""

    def __init__(self, depth: int, neighbours: int, share: float) -> None:
        self.depth, self._neighbours, self._share = depth, neighbours, share

    def direction(self, query: np.ndarray, mean: np.ndarray, nearest: NearestRows) -> np.ndarray:
        return unit(query - mean)

    def order(self, query: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        if len(rows) < 3:
            return np.arange(len(rows))
        centred = unit(rows - mean)
        scores = centred @ centred.T  # (n, n)
        np.fill_diagonal(scores, -2.0)
        count = min(self._neighbours, len(rows) - 1)
        near = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        weights = np.take_along_axis(scores, near, axis=1).clip(min=0)  # (n, count)
        joined = unit(np.einsum("nk,nkd->nd", weights, centred[near]))
        augmented = unit((1 - self._share) * centred + self._share * joined)
        asked = expanded(query, augmented[: self._neighbours], share=self._share)
        return np.argsort(-(augmented @ asked), kind="stable")


def build(*, depth: int = 500, neighbours: int = 5, share: float = 0.5) -> DatabaseAugmentation:
    """depth: hits that are put in a new order, 10 to 1,000. neighbours: that each of them, and the query, is joined with,
    1 to 100. share: theirs beside the hit itself, 0 to 1. UsageError."""
    if not 10 <= depth <= 1000:
        raise UsageError(f"depth={depth}: choose 10 to 1,000")
    if not 1 <= neighbours <= 100:
        raise UsageError(f"neighbours={neighbours}: choose 1 to 100")
    if not 0 <= share <= 1:
        raise UsageError(f"share={share}: choose 0 to 1")
    return DatabaseAugmentation(depth, neighbours, share)
