"""Pairs of pictures as Bell and Bala draw them (SIGGRAPH 2015): the same item twice, or two items, mostly of one category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import UsageError

SAME = 1 / 21  # share of pairs that are of one item: the paper has 20 negatives a positive
NEAR = 0.8  # share of negatives whose category is the anchor's: the paper draws 80 of it and 20 of others


class PairSampler:
    """items: (n,) what makes two pictures the same. categories: (n,) what makes two items hard to tell apart.

    An item may have one category only. Where a category holds one item, or there is one category only, the negatives
    are those that there are.
    """

    def __init__(self, items: np.ndarray, categories: np.ndarray, *, same: float = SAME, near: float = NEAR) -> None:
        if not (0 < same < 1 and 0 <= near <= 1):
            raise UsageError(f"the share of same pairs is {same} and of near negatives {near}; take shares from 0 to 1")
        self._order = np.lexsort(
            (items, categories)
        )  # rows by category, then item; below, a place is one in this order
        self._item = _spans(items[self._order], categories[self._order])
        self._category = _spans(categories[self._order])
        self._able = np.flatnonzero(self._item[1] - self._item[0] > 1)
        if not len(self._able):
            raise UsageError("every item has one picture only, so no two are the same; take other data or --item")
        if self._item[1][0] == len(items):
            raise UsageError("all pictures are of one item, so no two differ; take a dataset with two")
        self._same, self._near = same, near

    def alike(self, n: int) -> int:
        """How many of n pairs are of one item: one at least, and not all."""
        return max(1, min(n - 1, round(n * self._same)))

    def sample(self, n: int, *, seed: int | Sequence[int]) -> np.ndarray:
        """(n, 2) rows: first `alike(n)` pairs of one item, then pairs of two."""
        rng = np.random.default_rng(seed)
        alike = self.alike(n)
        anchors = np.concatenate([rng.choice(self._able, alike), rng.integers(0, len(self._order), n - alike)])
        low, high = self._item[:, anchors]
        start, end = self._category[:, anchors]
        everything = np.zeros_like(low), np.full_like(low, len(self._order))
        far = (rng.random(n) >= self._near) | (end - start == high - low)
        far &= end - start < len(self._order)
        partners = np.where(
            far,
            _drawn(rng, *everything, start, end),
            _drawn(rng, start, end, low, high),
        )
        partners[:alike] = _drawn(rng, low, high, anchors, anchors + 1)[:alike]
        return self._order[np.stack([anchors, partners], axis=1)]


def _spans(*keys: np.ndarray) -> np.ndarray:
    """Sorted keys to (2, n): the first place of each one's group, and the place after its last."""
    changes = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    bounds = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(keys[0])]])
    group = np.concatenate([[0], np.cumsum(changes)])
    return np.stack([bounds[group], bounds[group + 1]])


def _drawn(
    rng: np.random.Generator, start: np.ndarray, end: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """One place each of [start, end) without [low, high), all equally likely; any where none is left."""
    drawn = start + rng.integers(0, np.maximum(1, (end - start) - (high - low)))
    return np.minimum(np.where(drawn >= low, drawn + high - low, drawn), end - 1)
