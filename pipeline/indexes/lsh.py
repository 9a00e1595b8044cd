"""LSH by random hyperplanes (Charikar 2002): L tables of k bits, and only rows of the query's buckets are looked at.

Beside its own bucket a query looks into those that it just missed (multi-probe, Lv et al. 2007). Of what the buckets
hold, the nearest by Hamming distance over all L x k bits are compared by their floats. Ours, in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.indexes import _answers, _planes
from pipeline.plugins import Card
from pipeline.records import AnnIndex

CARD = Card(summary="LSH: tables of buckets by random hyperplanes, multi-probe; ours, in NumPy")
_WAVERING = 8  # bits of a table that a probe may flip: those whose plane is nearest
_BUCKET = 16  # rows that a bucket holds on average when the bits are chosen by the number of rows
_QUERIES = 256  # looked up at a time


def build(
    *, tables: int = 16, bits: int = 0, probes: int = 0, candidates: int = 0, thresholds: bool = True, seed: int = 0
) -> AnnIndex:
    """bits: of one table's buckets; 0 = so many that a bucket holds some 16 rows. probes: buckets of a table that are
    looked into, at most 256. candidates: rows compared by their floats. 0 sweeps these two.

    thresholds: each plane halves the rows, else it goes through the origin.
    """
    if tables < 1 or not 0 <= bits <= 32 or not 0 <= probes <= 1 << _WAVERING:
        raise UsageError(f"lsh: tables from 1, bits to 32 and probes to 256, not {tables}, {bits} and {probes}")
    sweep = _answers.settings(probes=(probes, (1, 4, 16, 64)), candidates=(candidates, (100, 200, 500, 1000)))
    return Lsh(tables, bits, sweep, thresholds, seed)


class Lsh:
    grows: Literal["linear", "root", "log"] = "root"

    def __init__(self, tables: int, bits: int, sweep: Sequence[dict[str, int]], thresholds: bool, seed: int) -> None:
        self.sweep, self._tables, self._bits, self._thresholds, self._seed = sweep, tables, bits, thresholds, seed
        self.tune(**sweep[-1])

    def add(self, embeddings: np.ndarray) -> None:
        self._rows = np.array(embeddings, np.float32)
        n = len(self._rows)
        bits = self._bits or min(32, max(2, round(np.log2(max(1, n / _BUCKET)))))
        self._planes = _planes.drawn(self._rows, bits=self._tables * bits, seed=self._seed, thresholds=self._thresholds)
        self._words = _planes.words(self._planes, self._rows)
        self._values = 1 << np.arange(bits, dtype=np.int64)
        codes = self._codes(self._planes.margins(self._rows))  # (n, tables)
        self._order = np.argsort(codes, axis=0, kind="stable").T.astype(np.int32, order="C")  # (tables, n) rows by code
        self._sorted = np.take_along_axis(codes.T, self._order, axis=1)
        flips = np.arange(1 << min(_WAVERING, bits))
        self._flips = (flips[:, None] >> np.arange(min(_WAVERING, bits)) & 1).astype(np.float32)  # (sets, wavering)

    def tune(self, **settings: int) -> None:
        self._probes, self._candidates = settings["probes"], settings["candidates"]

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        parts = [self._some(queries[start : start + _QUERIES], k) for start in range(0, len(queries), _QUERIES)]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([rows for _, rows in parts])

    def _some(self, queries: np.ndarray, k: int) -> _answers.Answer:
        words, buckets = iter(_planes.words(self._planes, queries).T), iter(self._buckets(queries))
        most = max(k, self._candidates)

        def answer(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            near, bits = self._inside(next(buckets)), next(words)
            if len(near) > most:
                near = near[_planes.closest(_planes.hamming(self._words[:, near], bits), most)]
            return _answers.best(self._rows[near] @ query, near, k=k)

        return _answers.one_by_one(answer, queries, k=k)

    def _codes(self, margins: np.ndarray) -> np.ndarray:
        """(n, tables x bits) margins to (n, tables) int64: the bucket of each table."""
        return (margins.reshape(len(margins), self._tables, -1) > 0) @ self._values

    def _buckets(self, queries: np.ndarray) -> np.ndarray:
        """(q, tables, probes, 2): where in the table's order each bucket begins and ends, likeliest bucket first."""
        margins = self._planes.margins(queries).reshape(len(queries), self._tables, -1)  # (q, tables, bits)
        own = self._codes(margins)
        near = np.argsort(np.abs(margins), axis=2)[:, :, : self._flips.shape[1]]  # (q, tables, wavering)
        cost = np.square(np.take_along_axis(margins, near, axis=2)) @ self._flips.T  # (q, tables, sets)
        sets = np.argsort(cost, axis=2, kind="stable")[:, :, : self._probes]
        masks = self._values[near] @ self._flips.T.astype(np.int64)  # (q, tables, sets): bits that each set flips
        codes = own[:, :, None] ^ np.take_along_axis(masks, sets, axis=2)
        ranges = np.empty((*codes.shape, 2), np.int64)
        for table, held in enumerate(self._sorted):
            ranges[:, table, :, 0] = np.searchsorted(held, codes[:, table], "left")
            ranges[:, table, :, 1] = np.searchsorted(held, codes[:, table], "right")
        return ranges

    def _inside(self, buckets: np.ndarray) -> np.ndarray:
        """(tables, probes, 2) to the rows of these buckets, each once, ascending."""
        parts = [
            order[begin:end]
            for order, ranges in zip(self._order, buckets, strict=True)
            for begin, end in ranges[ranges[:, 0] < ranges[:, 1]]
        ]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    def size_on_disk(self) -> int:
        held = (self._rows, self._words, self._planes.axes, self._planes.cuts, self._order, self._sorted)
        return sum(array.nbytes for array in held)

    def close(self) -> None:
        """Nothing to give back."""
