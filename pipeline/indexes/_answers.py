"""What indexes share: what they compare by, answers of one shape, settings to sweep, the bytes of a saved index."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

Answer = tuple[np.ndarray, np.ndarray]
"""(q, k) float32 scores and (q, k) int64 rows, as records.AnnIndex.search promises."""

Metric = Literal["cosine", "euclidean", "inner_product"]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""On embeddings of unit length the three give one order, and the squared distance is 2 − 2 cosine."""


def padded(scores: np.ndarray, rows: np.ndarray, *, k: int) -> Answer:
    """(q, m) scores and rows, m <= k, best first: k of each, a row below 0 being no answer."""
    count, width = rows.shape
    wide = np.full((count, k), -np.inf, np.float32), np.full((count, k), -1, np.int64)
    wide[0][:, :width], wide[1][:, :width] = np.clip(scores, -1, 1), rows
    wide[0][wide[1] < 0] = -np.inf
    return wide


def one_by_one(answer: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], queries: np.ndarray, *, k: int) -> Answer:
    """For libraries that take a query at a time: answer((dim,)) to at most k scores and rows."""
    scores = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    for at, query in enumerate(queries):
        some, found = answer(query)
        scores[at, : len(found)], rows[at, : len(found)] = np.clip(some, -1, 1), found
    return scores, rows


def best(scores: np.ndarray, rows: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(m,) scores and rows to the min(k, m) highest scores and their rows, best first."""
    if len(scores) > k:
        chosen = np.argpartition(scores, len(scores) - k)[-k:]
        scores, rows = scores[chosen], rows[chosen]
    order = np.argsort(-scores, kind="stable")
    return scores[order], rows[order]


def settings(**given: tuple[int, Sequence[int]]) -> list[dict[str, int]]:
    """name=(chosen, usual): every usual value of each that was left at 0, one {name: value} each; names vary together.

    Two names give pairs in step, the shorter list going on with its last value.
    """
    values = {name: [chosen] if chosen else list(usual) for name, (chosen, usual) in given.items()}
    longest = max((len(some) for some in values.values()), default=1)
    return [{name: some[min(at, len(some) - 1)] for name, some in values.items()} for at in range(longest)]


def saved_bytes(save: Callable[[Path], object]) -> int:
    """What `save(path)` writes to a file, or to a folder that it makes, in a place that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "index")
        return folder_bytes(Path(folder))


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def of_squared(distances: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of unit rows to their cosines."""
    return 1 - distances / 2


def of_cosine_distance(distances: np.ndarray) -> np.ndarray:
    """1 − cosine to the cosine."""
    return 1 - distances


def as_they_are(scores: np.ndarray) -> np.ndarray:
    return scores


def negated(scores: np.ndarray) -> np.ndarray:
    return -scores
