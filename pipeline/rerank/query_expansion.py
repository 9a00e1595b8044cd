"""Ask again with the query and what it found: α-weighted query expansion (Radenović et al., TPAMI 2019, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.plugins import Card
from pipeline.rerank import expanded, unit

if TYPE_CHECKING:
    import numpy as np

    from pipeline.rerank import NearestRows

CARD = Card(
    "asks again with the query and its nearest pictures together, with the gallery's mean taken out",
    source="https://arxiv.org/abs/1711.02512",
)
_DEPTH = 200  # hits that are put in order by the exact score


class QueryExpansion:
    """A Reranker. What all pictures of a gallery have in common says nothing of which two are alike: every
    embedding is taken from the gallery's mean, as in Jégou and Chum (ECCV 2012, section 2.2)."""

    depth = _DEPTH

    def __init__(self, neighbours: int, alpha: float, share: float) -> None:
        self._neighbours, self._alpha, self._share = neighbours, alpha, share

    def direction(self, query: np.ndarray, mean: np.ndarray, nearest: NearestRows) -> np.ndarray:
        centred = unit(query - mean)
        rows = unit(nearest(centred, self._neighbours) - mean)  # (n, dim)
        return expanded(centred, rows, share=self._share, alpha=self._alpha)

    def order(self, query: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.argsort(-(unit(rows - mean) @ query), kind="stable")


def build(*, neighbours: int = 5, alpha: float = 1.0, share: float = 0.5) -> QueryExpansion:
    """neighbours: hits that ask along, 1 to 100. alpha: how much more the nearest of them count, 0 to 10. share: theirs
    beside the query itself, 0 to 1 (the paper's own grows with their number). UsageError."""
    if not 1 <= neighbours <= 100:
        raise UsageError(f"neighbours={neighbours}: choose 1 to 100")
    if not 0 <= alpha <= 10:
        raise UsageError(f"alpha={alpha}: choose 0 to 10")
    if not 0 <= share <= 1:
        raise UsageError(f"share={share}: choose 0 to 1")
    return QueryExpansion(neighbours, alpha, share)
