"""Pictures whose neighbourhoods overlap are alike: k-reciprocal re-ranking (Zhong et al., CVPR 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.plugins import Card

if TYPE_CHECKING:
    import numpy as np

    from pipeline.rerank import NearestRows

CARD = Card(
    "hits whose own neighbours among the first hits are the query's too come first",
    source="https://arxiv.org/abs/1701.08398",
)


class KReciprocal:
    """A Reranker over the first `depth` hits alone: neighbours outside of them are not asked for."""

    def __init__(self, depth: int, k: int, expanded: int, share: float) -> None:
        self.depth, self._k, self._expanded, self._share = depth, k, expanded, share

    def direction(self, query: np.ndarray, mean: np.ndarray, nearest: NearestRows) -> np.ndarray:
        return query

    def order(self, query: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        if len(rows) < 3:
            return np.arange(len(rows))
        everyone = np.concatenate([query[None], rows])  # (n + 1, dim)
        distances = 2 - 2 * everyone @ everyone.T  # squared
        np.fill_diagonal(distances, -1.0)  # itself first, also beside copies
        ranked = np.argsort(distances, axis=1, kind="stable")
        np.fill_diagonal(distances, 0.0)
        k = min(self._k, len(rows))
        among = np.zeros(distances.shape, bool)
        np.put_along_axis(among, ranked[:, : k + 1], True, axis=1)
        weights = np.where(among & among.T, np.exp(-distances), 0.0)  # of the k-reciprocal neighbours (eq. 7)
        weights /= weights.sum(axis=1, keepdims=True)
        near = ranked[:, : min(self._expanded, len(everyone))]
        weights = weights[near].mean(axis=1)  # local query expansion (eq. 11)
        jaccard = 1 - np.minimum(weights[0], weights).sum(axis=1) / np.maximum(weights[0], weights).sum(axis=1)
        final = (1 - self._share) * jaccard + self._share * distances[0] / 4  # (eq. 12), both in [0, 1]
        return np.argsort(final[1:], kind="stable")


def build(*, depth: int = 200, k: int = 20, expanded: int = 6, share: float = 0.3) -> KReciprocal:
    """depth: hits that are put in a new order, 10 to 1,000. k: neighbours that make a neighbourhood. expanded: nearest
    of them whose neighbourhoods are joined. share: of the score itself, 0 to 1. UsageError."""
    if not 10 <= depth <= 1000:
        raise UsageError(f"depth={depth}: choose 10 to 1,000")
    if not 1 <= k <= depth or not 1 <= expanded <= k:
        raise UsageError(f"k={k}, expanded={expanded}: choose 1 <= expanded <= k <= depth ({depth})")
    if not 0 <= share <= 1:
        raise UsageError(f"share={share}: choose 0 to 1")
    return KReciprocal(depth, k, expanded, share)
