"""The paper's streaming triplets (Wang et al. 2014, section 4): one weighted reservoir per label, bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from training.sampling.triplets import Groups, check_law, fill

Relevance = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""relevance(pictures (m,), pictures (m,)) of the same labels to (m,), ≥ 0, symmetric."""


class Reservoirs:
    """Keeps at most `capacity` pictures a label, picture i with P about ∝ its total relevance rᵢ (eq. 6).

    Efraimidis and Spirakis: those with the largest keys u^(1/rᵢ). Exact for a capacity of 1 and close while it is
    a small part of the label; a reservoir that holds its whole label has forgotten the weights.
    """

    def __init__(self, capacity: int, *, seed: int | Sequence[int]) -> None:
        assert capacity > 0
        self.capacity = capacity
        self._rng = np.random.default_rng(seed)
        self._kept: dict[int, np.ndarray] = {}  # label: (≤ capacity, 3) float64: key, picture, total
        self._seen: dict[int, float] = {}  # label: sum of the totals of all pictures that came

    def add(self, label: int, pictures: np.ndarray, totals: np.ndarray) -> None:
        """Offer pictures (m,) with their total relevance (m,), in as many calls as you like; totals of 0 never stay."""
        pictures, totals = pictures[totals > 0], totals[totals > 0].astype(np.float64)
        keys = np.log(1 - self._rng.random(len(totals))) / totals  # log of u^(1/r): the power itself rounds to 1
        offered = np.stack([keys, pictures, totals], axis=1)
        rows = np.concatenate([self._kept.get(label, offered[:0]), offered])
        self._kept[label] = rows[np.argsort(-rows[:, 0])[: self.capacity]]
        self._seen[label] = self._seen.get(label, 0.0) + totals.sum()

    def kept(self, label: int) -> np.ndarray:
        """Pictures in a label's reservoir now, (≤ capacity,) int64."""
        return self._kept[label][:, 1].astype(np.int64)

    def sample(
        self,
        n: int,
        relevance: Relevance,
        *,
        out_of_class: float = 0.2,
        cap: float,
        gap: float,
        retries: int = 200,
        seed: int | Sequence[int],
    ) -> np.ndarray:
        """(n, 3) int64 pictures by the laws of `TripletSampler.sample`, as far as the reservoirs follow eq. 6.

        retries: candidates for one positive or negative before query and all are drawn anew.
        Raises UsageError when nearly every triplet is given up.
        """
        rows = {label: kept for label, kept in self._kept.items() if len(kept)}
        check_law(out_of_class, cap, n_labels=len(rows))
        groups = Groups([kept[:, 1] for kept in rows.values()])
        totals = np.concatenate([kept[:, 2] for kept in rows.values()])
        least = np.array([kept[:, 2].min() for kept in rows.values()])  # (labels,)
        seen = np.array([self._seen[label] for label in rows])
        weights = np.where(groups.sizes > 1, seen[groups.labels] / groups.sizes, 0.0)
        if not weights.any():
            raise UsageError("no reservoir holds two pictures, so there are no positives; add pictures, or capacity")
        # the largest factor that keeps every P(accept) ≤ 1: r / total alone is about 1 / pictures of the label
        odds = (least[groups.labels] / cap) / totals
        draw = _Draw(groups, weights.cumsum(), odds, relevance, cap, gap, retries, np.random.default_rng(seed))
        in_class = draw.rng.random(n) >= out_of_class
        return groups.pictures[fill(in_class, draw, gap=gap)]


@dataclass(frozen=True)
class _Draw:
    """One draw from what the reservoirs hold now; arrays are (positions,)."""

    groups: Groups
    queries: np.ndarray  # running sum of P(query)
    odds: np.ndarray  # what a candidate's relevance is multiplied with: undoes the reservoir's bias
    relevance: Relevance
    cap: float
    gap: float
    retries: int
    rng: np.random.Generator

    def __call__(self, in_class: np.ndarray) -> np.ndarray:
        """(m,) bool to (m, 3) positions; negative −1 where the retries were used up."""
        m = len(in_class)
        queries = np.searchsorted(self.queries, (1 - self.rng.random(m)) * self.queries[-1])  # (m,)
        negatives = np.full(m, -1)
        positives = self._partners(queries, np.full(m, np.inf))
        rows = np.flatnonzero((positives >= 0) & in_class)
        r_positive = self._relevance(queries[rows], positives[rows])
        negatives[rows] = self._partners(queries[rows], r_positive - self.gap, other_than=positives[rows])
        if not in_class.all():
            rows = np.flatnonzero((positives >= 0) & ~in_class)
            negatives[rows] = self.groups.others(queries[rows], self.rng)
        return np.stack([queries, positives, negatives], axis=1)

    def _partners(self, queries: np.ndarray, ceiling: np.ndarray, other_than: np.ndarray | None = None) -> np.ndarray:
        """From each query's reservoir, one with relevance ≤ ceiling and P ∝ min(cap, r), (m,); −1 if none came."""
        partners = np.full(len(queries), -1)
        waiting = np.arange(len(queries))
        for _ in range(self.retries):
            q = queries[waiting]
            candidates = self.groups.starts[q] + self.rng.integers(0, self.groups.sizes[q])
            r = self._relevance(q, candidates)
            accepted = self.rng.random(len(q)) < np.minimum(self.cap, r) * self.odds[candidates]
            accepted &= (candidates != q) & (r <= ceiling[waiting])
            if other_than is not None:
                accepted &= candidates != other_than[waiting]
            partners[waiting[accepted]] = candidates[accepted]
            waiting = waiting[~accepted]
            if not len(waiting):
                break
        return partners

    def _relevance(self, queries: np.ndarray, others: np.ndarray) -> np.ndarray:
        return self.relevance(self.groups.pictures[queries], self.groups.pictures[others])
