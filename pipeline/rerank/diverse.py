"""Not twelve pictures of one thing: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.plugins import Card

if TYPE_CHECKING:
    import numpy as np

    from pipeline.rerank import NearestRows

CARD = Card("near the query and unlike the hits before it", source="https://doi.org/10.1145/290941.291025")
USUAL = ()  # is never better by labels, so it is not measured at ingest


class Diverse:
    """A Reranker. The next hit has the highest share · score − (1 − share) · highest score to a hit before it."""

    def __init__(self, share: float, depth: int) -> None:
        self._share, self.depth = share, depth

    def direction(self, query: np.ndarray, mean: np.ndarray, nearest: NearestRows) -> np.ndarray:
        return query

    def order(self, query: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        scores, between = rows @ query, rows @ rows.T  # (n,), (n, n)
        closest = np.full(len(rows), -1.0)  # to what was taken
        taken: list[int] = []
        left = np.ones(len(rows), bool)
        for _ in range(len(rows)):
            worth = self._share * scores - (1 - self._share) * closest if taken else scores
            best = int(np.where(left, worth, -np.inf).argmax())
            taken.append(best)
            left[best] = False
            closest = np.maximum(closest, between[best])
        return np.array(taken, np.int64)


def build(*, share: float = 0.7, depth: int = 100) -> Diverse:
    """share: of nearness to the query, 0 to 1; the rest is for being unlike. depth: hits to choose among, 10 to 1,000."""
    if not 0 <= share <= 1:
        raise UsageError(f"share={share}: choose 0 to 1")
    if not 10 <= depth <= 1000:
        raise UsageError(f"depth={depth}: choose 10 to 1,000")
    return Diverse(share, depth)
