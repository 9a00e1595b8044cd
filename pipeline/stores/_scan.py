"""The nearest of many vectors, every one compared: by codes of one byte a value first, exactly where it decides.

A million vectors of dim 256 take a gigabyte, and reading it takes longer than the arithmetic. Their codes take a
quarter. How far a code's score can be from the true one is known, so the rows that could be among the k nearest are
known too, and those alone are compared exactly: the answer is that of comparing everything.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_MIN_CODED = 4_096  # rows: fewer are compared whole in less time than faiss takes to begin
_SLACK = 2e-6  # of a score: what rounding to 6 decimals moves it, so that ties stay together
_FEW = 16  # of so many rows one passes a filter: those are gathered and compared whole
_MORE = 32  # rows that a block gives beyond k: mostly enough to be sure that none is missing
_MIN_SHARED = 100_000  # rows: from here on all cores compare, a block each; NumPy and faiss hold no interpreter lock
_STEP = 16_384  # rows in float32 or float64 at once


@dataclass(frozen=True)
class _Nearest:
    """Rows of a block, the highest estimate first. scores: no row's true score is above its own. rest: nor any other row's."""

    rows: np.ndarray
    scores: np.ndarray
    rest: float


class Block:
    """vectors: (n, dim) float32, none of them zero; kept, not copied."""

    def __init__(self, vectors: np.ndarray) -> None:
        import numpy as np

        self.vectors = vectors
        self.lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
        self._codes: _Codes | None = None

    @property
    def needs_codes(self) -> bool:
        return self._codes is None and len(self.vectors) >= _MIN_CODED

    def code(self) -> None:
        """Answers take a quarter of the time from then on; in one thread while others ask, and some 3 s for a million rows."""
        self._codes = _Codes(self.vectors, self.lengths)

    def nearest(self, query: np.ndarray, k: int, passing: np.ndarray | None) -> _Nearest:
        """query: (dim,) float64 of unit length. passing: (n,) bool, the rows that count; None = all."""
        import numpy as np

        codes = self._codes
        few = passing is not None and np.count_nonzero(passing) * _FEW < len(passing)
        if codes is not None and not few:
            return codes.nearest(query, k, passing)
        rows = np.arange(len(self.vectors)) if passing is None else np.flatnonzero(passing)
        vectors = self.vectors if passing is None else self.vectors[rows]
        scores = vectors @ query.astype(np.float32) / self.lengths[rows]
        wrong = _in_float32(vectors.shape[1])
        if k < len(rows):
            best = np.argpartition(scores, len(rows) - k)[len(rows) - k :]
            rest = float(np.min(scores[best])) + wrong
        else:
            best, rest = np.arange(len(rows)), -np.inf
        best = best[np.argsort(-scores[best])]
        return _Nearest(rows[best], scores[best] + wrong, rest)

    def scores(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(len(rows),) float64, true cosines."""
        import numpy as np

        made = [
            self.vectors[some].astype(np.float64) @ query / self.lengths[some]
            for some in (rows[start : start + _STEP] for start in range(0, len(rows), _STEP))
        ]
        return np.concatenate(made) if made else np.empty(0)


class _Codes:
    """Unit vectors as a byte a value, each dimension from its lowest to its highest; a query stays as it is."""

    def __init__(self, vectors: np.ndarray, lengths: np.ndarray) -> None:
        import faiss  # comes with Milvus Lite
        import numpy as np

        n, dim = vectors.shape

        def units() -> Iterator[np.ndarray]:
            for start in range(0, n, _STEP):
                here = slice(start, start + _STEP)
                yield (vectors[here] / lengths[here, None]).astype(np.float32)

        ends = [np.stack([unit.min(0), unit.max(0)]) for unit in units()]
        low, high = np.min([one[0] for one in ends], axis=0), np.max([one[1] for one in ends], axis=0)
        self._step = np.maximum((high - low) / 255, np.float32(1e-9))
        self._faiss: Any = faiss  # whose types say less than it takes
        # of its kinds the one that multiplies with the query's own values: `direct` ones cut them to whole numbers
        self._index: Any = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        self._index.train(np.stack([low, high]))
        furthest = 0.0  # of a vector to what its code stands for, in steps
        for unit in units():
            self._index.add(unit)
            decoded = np.empty_like(unit)  # given, because libraries make faiss return tensors of torch where none is
            self._index.reconstruct_n(self._index.ntotal - len(unit), len(unit), decoded)
            furthest = max(furthest, float(np.square((unit - decoded) / self._step).sum(1).max()))
        self._furthest = furthest**0.5
        self._n = n

    def nearest(self, query: np.ndarray, k: int, passing: np.ndarray | None) -> _Nearest:
        import numpy as np

        wrong = float(np.linalg.norm(query * self._step)) * self._furthest * 1.001  # at most, by Cauchy-Schwarz
        wrong += _in_float32(len(query))
        k = min(k, self._n)
        scores, rows = self._highest(query.astype(np.float32), k, passing)
        there = rows >= 0
        found = scores[there].astype(np.float64)
        complete = k == self._n or len(found) < k
        return _Nearest(rows[there], found + wrong, -np.inf if complete else float(found[-1]) + wrong)

    def _highest(self, query: np.ndarray, k: int, passing: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """(k,) products and rows, -1 for none. Asked below `search`, which libraries replace by one without a filter."""
        import numpy as np

        scores, rows = np.empty(k, np.float32), np.empty(k, np.int64)
        library = self._faiss
        bits = None if passing is None else np.packbits(passing, bitorder="little")
        few = None if bits is None else library.SearchParameters(sel=library.IDSelectorBitmap(bits))
        to = library.swig_ptr
        self._index.search_c(1, to(query), k, to(scores), to(rows), few)
        return scores, rows


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="scan")


def _in_float32(dim: int) -> float:
    """How far a float32 sum of dim products of unit vectors may be from the true one, and more."""
    return _SLACK + 5e-7 * float(dim) ** 0.5


def nearest(
    blocks: Sequence[Block], query: np.ndarray, k: int, passing: Sequence[np.ndarray | None]
) -> list[tuple[int, int, float]]:
    """Block, row and true cosine of the k nearest rows that pass and of all that tie with the last, in no order.

    query: (dim,) of any length but 0. passing: for each block (n,) bool, or None for all of its rows.
    """
    import numpy as np

    unit = query.astype(np.float64)
    unit /= np.linalg.norm(unit)
    wanted = [min(k + _MORE, len(block.vectors)) for block in blocks]
    large = sum(len(block.vectors) for block in blocks) >= _MIN_SHARED
    given = list(
        (_threads().map if large else map)(
            lambda at: blocks[at].nearest(unit, wanted[at], passing[at]), range(len(blocks))
        )
    )
    exact: list[dict[int, float]] = [{} for _ in blocks]
    # what the k highest estimates truly score is the least that the k nearest do
    best = sorted(((score, at) for at, one in enumerate(given) for score in one.scores[:k]), reverse=True)[:k]
    for at, block in enumerate(blocks):
        rows = given[at].rows[: sum(1 for _, where in best if where == at)]
        exact[at] = dict(zip(rows.tolist(), block.scores(unit, rows).tolist(), strict=True))
    known = sorted((score for scores in exact for score in scores.values()), reverse=True)
    least = known[k - 1] - _SLACK if len(known) >= k else -np.inf
    nearest: list[tuple[int, int, float]] = []
    for at, block in enumerate(blocks):
        while given[at].rest >= least and given[at].rest != -np.inf:  # one that is not among them could be nearer
            wanted[at] = min(4 * wanted[at], len(block.vectors))
            given[at] = block.nearest(unit, wanted[at], passing[at])
        rows = given[at].rows[given[at].scores >= least]
        new = np.array([row for row in rows.tolist() if row not in exact[at]], dtype=np.int64)
        exact[at] |= dict(zip(new.tolist(), block.scores(unit, new).tolist(), strict=True))
        nearest += [(at, row, score) for row, score in exact[at].items() if score >= least]
    return nearest
