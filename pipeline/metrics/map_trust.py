"""How far a map can be believed: what is near on it and in the embeddings, and whether far stays far.

Ranks are of Euclidean distances, which for embeddings of unit length order as cosine does; equal distances rank by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError

K = 15
DISTANCES = 40_000_000  # measured in each space; more rows than that allows are sampled
MIN_SAMPLE = 200
PAIRS = 20_000
CLICK = " Click a picture for its true neighbours."  # ends a caption; it is no use on paper
AT_ONCE = 1 << 21  # distances at a time, 16 MB of float64; a step holds some four times that


@dataclass(frozen=True)
class Trust:
    """1 is best everywhere. Means over `asked` of `n` pictures."""

    trustworthiness: float  # lower the farther in truth those are who look near (Venna and Kaski 2001)
    continuity: float  # lower the farther on the map those are who are near in truth
    neighbours_kept: float  # share of a picture's k nearest that are also among its k nearest on the map
    distances_kept: (
        float | None
    )  # Spearman's rank correlation of distances over sampled pairs; None where all are equal
    k: int
    asked: int
    n: int
    seed: int


def measure(embeddings: np.ndarray, points: np.ndarray, *, k: int = K, seed: int, asked: int = 0) -> Trust:
    """(n, dim) embeddings against (n, 2 or 3) points. k is lowered to what n allows: fewer than n / 2.

    asked: pictures that are looked at, among all n; 0 = all while that is quick, else a sample by the seed.
    UsageError for fewer than 3 rows.
    """
    n = len(embeddings)
    if n < 3:
        raise UsageError(f"a map of {n} pictures has no neighbourhoods to measure; 3 are the least")
    k = min(k, (n - 1) // 2)
    chosen = _chosen(n, asked, seed)
    true, shown, kept = 0, 0, 0
    step = max(1, AT_ONCE // n)
    for start in range(0, len(chosen), step):
        rows = chosen[start : start + step]
        in_truth, on_map = _distances(rows, embeddings), _distances(rows, points)  # (step, n), own distance inf
        near, seen = _nearest(in_truth, k), _nearest(on_map, k)  # (step, k)
        ranks = _ranks(in_truth, seen)  # 1 = nearest
        true += int((ranks - k).clip(min=0).sum())
        shown += int((_ranks(on_map, near) - k).clip(min=0).sum())
        kept += int((ranks <= k).sum())
    worst = len(chosen) * k * (2 * n - 3 * k - 1) / 2
    return Trust(
        trustworthiness=1 - true / worst,
        continuity=1 - shown / worst,
        neighbours_kept=kept / (len(chosen) * k),
        distances_kept=distances_kept(embeddings, points, seed=seed),
        k=k,
        asked=len(chosen),
        n=n,
        seed=seed,
    )


def distances_kept(embeddings: np.ndarray, points: np.ndarray, *, seed: int, pairs: int = PAIRS) -> float | None:
    """Spearman's correlation of the distances of random pairs; None where one of the two has only one distance."""
    from scipy.stats import spearmanr

    n = len(embeddings)
    random = np.random.default_rng(seed)
    first = random.integers(n, size=pairs)
    second = (first + random.integers(1, n, size=pairs)) % n  # never the picture itself
    in_truth = np.linalg.norm(embeddings[first] - embeddings[second], axis=1)
    on_map = np.linalg.norm(points[first] - points[second], axis=1)
    if np.ptp(in_truth) == 0 or np.ptp(on_map) == 0:
        return None
    return float(spearmanr(in_truth, on_map).statistic)


def caption(method: str, trust: Trust) -> str:
    """What a person should know before reading a map, in two or three sentences. method: a plugin of projections/."""
    kept = f"{round(100 * trust.neighbours_kept)} of 100"
    figures = (
        f"Of the {trust.k} nearest pictures of each, {kept} are also among the {trust.k} nearest here "
        f"(trustworthiness {trust.trustworthiness:.2f})"
    )
    figures += "." if trust.asked == trust.n else f", measured on {trust.asked:,} of {trust.n:,}."
    if method == "pca":
        warning = (
            "Distances are true along the directions shown and the others are left out: what is far apart here differs, "
            "what is close may differ all the same."
        )
    else:
        warning = (
            "The size of a group, how dense it is and the gap between two groups mean nothing; the map turned round or made with "
            "another seed says the same." + CLICK
        )
    return f"{figures} {warning}"


def _chosen(n: int, asked: int, seed: int) -> np.ndarray:
    count = min(n, asked or max(MIN_SAMPLE, DISTANCES // n))
    if count == n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, count, replace=False))


def _distances(rows: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(q, n) float64 squared distances; float32 sums would order close ones by chance."""
    wide = of.astype(np.float64, copy=False) if len(of) * of.shape[1] <= 4 * AT_ONCE else None
    squares = np.einsum("nd,nd->n", of, of, dtype=np.float64)
    asking = of[rows].astype(np.float64)
    products = np.empty((len(rows), len(of)))
    if wide is not None:
        products[:] = asking @ wide.T
    else:
        block = max(1, AT_ONCE // of.shape[1])
        for start in range(0, len(of), block):
            products[:, start : start + block] = asking @ of[start : start + block].T.astype(np.float64)
    squared = squares[rows, None] + squares - 2 * products
    squared[np.arange(len(rows)), rows] = np.inf
    return squared


def _nearest(distances: np.ndarray, k: int) -> np.ndarray:
    """(q, k) columns of the smallest."""
    return np.argpartition(distances, k - 1, axis=1)[:, :k]


def _ranks(distances: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(q, k) from 1: how many columns of the row are closer than this one, or as close and before it."""
    own = np.take_along_axis(distances, columns, axis=1)
    ranks = np.empty(columns.shape, np.int64)
    before = np.arange(distances.shape[1])
    for place in range(columns.shape[1]):
        here = own[:, place, None]
        closer = np.count_nonzero(distances < here, axis=1)
        equal = np.count_nonzero((distances == here) & (before < columns[:, place, None]), axis=1)
        ranks[:, place] = 1 + closer + equal
    return ranks
