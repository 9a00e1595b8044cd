"""Triplets of pictures by how relevant they are to each other (Wang et al. 2014, section 4): exact, or by chance alone.

Relevance r is known inside a label only; across labels it is 0. Where a label is too large for that: reservoirs.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.datasets.catalogue import relevance as grade
from pipeline.errors import UsageError
from pipeline.records import ImageRecord

CHUNK = 4096  # queries at a time: bounds memory at CHUNK × largest label


class TripletSampler:
    """Draws by the paper's laws exactly; the relevance of every label fits memory.

    relevance: per label (n_c, n_c), ≥ 0, [i, j] of j to i; the diagonal is not looked at. Kept, not copied.
    members: per label (n_c,) picture indices.
    out_of_class: share of negatives from other labels (the paper's best: 0.2).
    cap: T_p; gap: T_r; both in units of relevance.
    weighted: False draws queries, positives and negatives all equally likely, where the gap allows.
    """

    def __init__(
        self,
        relevance: Sequence[np.ndarray],
        members: Sequence[np.ndarray],
        *,
        out_of_class: float = 0.2,
        cap: float,
        gap: float,
        weighted: bool = True,
    ) -> None:
        assert all(r.shape == (len(m), len(m)) for r, m in zip(relevance, members, strict=True))
        check_law(out_of_class, cap, n_labels=sum(len(m) > 0 for m in members))
        self._relevance = relevance
        self._groups = Groups(members)
        self.out_of_class, self.cap, self.gap, self._weighted = out_of_class, cap, gap, weighted
        totals = [r.sum(axis=1, dtype=np.float64) - r.diagonal() for r in relevance]  # eq. 6, (n_c,) each
        self._queries = np.cumsum(np.concatenate(totals))  # (positions,)
        if not np.isfinite(self._queries[-1]) or any((t < -1e-6).any() for t in totals):
            raise UsageError("relevance holds values below 0 or not finite; check how it was computed")
        if self._queries[-1] <= 0:
            raise UsageError("no label has two pictures relevant to each other; positives need at least two a label")
        if not weighted:
            self._queries = np.cumsum(self._groups.sizes > 1, dtype=np.float64)

    def sample(self, n: int, *, seed: int | Sequence[int]) -> np.ndarray:
        """(n, 3) int64 picture indices: query, positive, negative. A resume exact to the step: seed=(seed, step).

        P(query) ∝ its total relevance (eq. 6), P(positive) ∝ min(cap, r) (eq. 7). In class, P(negative) is eq. 7
        restricted to r_positive − r_negative ≥ gap (eq. 8): the law of the paper's retries, without them. Where
        no negative is left, query and positive are drawn anew, so that the out-of-class share holds.
        Raises UsageError when fewer than 1 % of the queries can keep the gap.
        """
        rng = np.random.default_rng(seed)
        in_class = rng.random(n) >= self.out_of_class
        return self._groups.pictures[fill(in_class, lambda rows: self._draw(rows, rng), gap=self.gap)]

    def _draw(self, in_class: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(m,) bool to (m, 3) positions; negative −1 where none keeps the gap."""
        m = len(in_class)
        queries = np.searchsorted(self._queries, _uniform(rng, m) * self._queries[-1])  # (m,)
        relevance = self._rows(queries)  # (m, widest)
        weights = np.minimum(relevance, np.float32(self.cap)) if self._weighted else self._mates(queries)
        positives = _pick(weights, rng)
        r_positive = relevance[np.arange(m), positives]
        weights[r_positive[:, None] - relevance < np.float32(self.gap)] = 0
        weights[np.arange(m), positives] = 0
        negatives = _pick(weights, rng)
        start = self._groups.starts[queries]
        others = self._groups.others(queries, rng) if self.out_of_class else negatives
        inside = np.where(negatives < 0, -1, start + negatives)
        return np.stack([queries, start + positives, np.where(in_class, inside, others)], axis=1)

    def _mates(self, queries: np.ndarray) -> np.ndarray:
        """(m, widest label) float32: 1 for each other picture of a query's label."""
        sizes, own = self._groups.sizes[queries], queries - self._groups.starts[queries]
        columns = np.arange(sizes.max(initial=1))
        return ((columns < sizes[:, None]) & (columns != own[:, None])).astype(np.float32)

    def _rows(self, queries: np.ndarray) -> np.ndarray:
        """Relevance of a label's pictures to each query, (m, widest label) float32; 0 for itself and past the end."""
        labels = self._groups.labels[queries]
        own = queries - self._groups.starts[queries]
        rows = np.zeros((len(queries), int(self._groups.sizes[queries].max(initial=1))), np.float32)
        for row, label, i in zip(rows, labels.tolist(), own.tolist(), strict=True):
            relevance = self._relevance[label][i]
            row[: len(relevance)] = relevance
        rows[np.arange(len(queries)), own] = 0
        return rows


def fill(in_class: np.ndarray, draw: Callable[[np.ndarray], np.ndarray], *, gap: float) -> np.ndarray:
    """(n,) bool to (n, 3) positions: `draw` again and again, only for rows it has left at −1.

    Raises UsageError when fewer than 1 % of the draws in class succeed.
    """
    drawn = np.full((len(in_class), 3), -1)
    waiting = np.arange(len(in_class))
    tries = succeeded = 0
    while len(waiting):
        for rows in np.array_split(waiting, len(waiting) // CHUNK + 1):
            drawn[rows] = draw(in_class[rows])
        done = drawn[waiting, 2] >= 0
        tries += in_class[waiting].sum()
        succeeded += (done & in_class[waiting]).sum()
        waiting = waiting[~done]
        if tries > max(1000, 100 * succeeded):
            raise UsageError(
                f"hardly a query has two pictures of its label whose relevance differs by {gap}; "
                "take a smaller gap T_r, or an out-of-class share of 1"
            )
    return drawn


def uniform(labels: np.ndarray, n: int, *, seed: int | Sequence[int]) -> np.ndarray:
    """(n, 3) rows of `labels`: an anchor, a positive of its label and a negative of another, all equally likely.

    Pictures alone in their label are negatives only. Raises UsageError when there is no positive or no negative.
    """
    rng = np.random.default_rng(seed)
    groups = Groups.of(labels)
    check_labels(groups.sizes)
    able = np.flatnonzero(groups.sizes > 1)
    anchors = able[rng.integers(0, len(able), n)]
    positives = groups.starts[anchors] + rng.integers(0, groups.sizes[anchors] - 1)
    positives += positives >= anchors
    return groups.pictures[np.stack([anchors, positives, groups.others(anchors, rng)], axis=1)]


def graded(records: Sequence[ImageRecord], n: int, *, seed: int) -> np.ndarray:
    """(n, 3) places in the catalogue's records, one kind a triplet: anchor, then the picture of the higher grade first.

    Raises UsageError where hardly two pictures of a kind have different grades.
    """
    random = np.random.default_rng(seed)
    kinds: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        kinds.setdefault(record.label, []).append(i)
    drawn: list[tuple[int, int, int]] = []
    tries = 0
    while len(drawn) < n:
        anchor = int(random.integers(len(records)))
        tries += 1
        if tries > 1000 + 100 * len(drawn):
            raise UsageError("hardly two pictures of a kind differ in their grades; take a catalogue of more items")
        if len(kinds[records[anchor].label]) < 2:
            continue
        a, b = random.choice(kinds[records[anchor].label], 2, replace=False).tolist()
        first, second = (grade(records[anchor], records[other]) for other in (a, b))
        if anchor not in (a, b) and first != second:
            drawn.append((anchor, a, b) if first > second else (anchor, b, a))
    return np.array(drawn)


def check_law(out_of_class: float, cap: float, *, n_labels: int) -> None:
    if not 0 <= out_of_class <= 1:
        raise UsageError(f"the out-of-class share is {out_of_class}; take one from 0 to 1")
    if out_of_class and n_labels < 2:
        raise UsageError("there are no negatives out of class in a single label; take an out-of-class share of 0")
    if not cap > 0:
        raise UsageError(f"the cap T_p is {cap}; take a relevance above 0")


def check_labels(sizes: np.ndarray) -> None:
    """sizes: (n,) how many pictures share each picture's label. UsageError when no triplet can be made of them."""
    if not (sizes > 1).any():
        raise UsageError(
            "every label has one picture only, so there are no positives; take a dataset with larger labels"
        )
    if sizes[0] == len(sizes):
        raise UsageError("all pictures have the same label, so there are no negatives; take a dataset with two labels")


class Groups:
    """Pictures label by label. A position is a picture's place in that order; every array is (positions,)."""

    def __init__(self, members: Sequence[np.ndarray]) -> None:
        lengths = np.array([len(m) for m in members])
        self.pictures = np.concatenate(members).astype(np.int64)
        self.labels = np.repeat(np.arange(len(members)), lengths)
        self.starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        self.sizes = np.repeat(lengths, lengths)

    @classmethod
    def of(cls, labels: np.ndarray) -> Groups:
        _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return cls(np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1]))

    def others(self, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One position of another label for each, all equally likely."""
        drawn = rng.integers(0, len(self.labels) - self.sizes[positions])
        return drawn + np.where(drawn >= self.starts[positions], self.sizes[positions], 0)


def _uniform(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n,) in (0, 1]: a sum of weights first reached by such a share of the whole always ends on a weight above 0."""
    return 1 - rng.random(n)


def _pick(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(m, n) ≥ 0 to one column per row with P ∝ weight, (m,); −1 for a row of zeros."""
    sums = np.cumsum(weights, axis=1)  # (m, n)
    aim = (_uniform(rng, len(sums)) * sums[:, -1]).astype(np.float32)
    return np.where(sums[:, -1] > 0, (sums >= aim[:, None]).argmax(axis=1), -1)
