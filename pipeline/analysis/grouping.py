"""Embeddings into groups: HDBSCAN, which leaves out what belongs to none, and k-means, which leaves out nothing.

Plain functions on arrays. A group is a number, -1 is none; equal embeddings are always in one group.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from pipeline.analysis.cluster_facts import silhouettes
from pipeline.features import pca
from pipeline.gallery import neighbours
from pipeline.metrics.retrieval import highest
from pipeline.records import Neighbours, Progress, silent

MAX_DENSE = 20_000  # pictures that HDBSCAN sees: its time grows with the square
NEAREST = 16  # neighbours that may draw a picture
STEPS = 6
AXES = 50
FOLLOWED = 8  # sampled pictures that one outside the sample follows
FAR_OUT = 3  # interquartile ranges below the first quartile (Tukey 1977)
CORE = 5  # min_samples of HDBSCAN
MAX_WHOLE = 20_000  # pictures for which k-means looks at all of them in each round
STARTS = 3  # of k-means; the best of them counts
COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)  # numbers of clusters that silhouettes choose among
SAME = 1e-6  # no value of two embeddings differs by more: one picture as far as the encoder can tell


def all_equal(embeddings: np.ndarray) -> bool:
    return bool(np.ptp(embeddings, axis=0).max() < SAME)


def smallest_of(n: int) -> int:
    """How many pictures make a group when nobody says: half the square root of all, at least 3."""
    return max(3, round(n**0.5 / 2))


def dense(
    embeddings: np.ndarray,
    *,
    smallest: int,
    seed: int = 0,
    nearest: Neighbours | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """(n,) groups of (n, dim) unit-length float32 by HDBSCAN (Campello et al. 2013). nearest: NEAREST neighbours and more.

    In hundreds of dimensions all places are about as dense as any, and HDBSCAN alone finds two groups in ten kinds of
    clothing. So each picture is first drawn STEPS times toward the mean of those that are among its NEAREST as it is among
    theirs (mean shift, Comaniciu and Meer 2002, on the graph of neighbours), then only the AXES directions that vary most
    are kept. A picture that was drawn in from afar leaves again: its score to the middle of the group is FAR_OUT.
    Of more than MAX_DENSE pictures a sample by the seed is clustered, and the others go where most of the sampled
    pictures closest to them went.
    """
    n = len(embeddings)
    if all_equal(embeddings):
        return np.zeros(n, int)
    if n <= MAX_DENSE:
        usable = nearest if nearest is not None and nearest.rows.shape[1] >= min(NEAREST, n - 1) else None
        return _dense(embeddings, usable, smallest, progress)
    chosen = np.sort(np.random.default_rng(seed).choice(n, MAX_DENSE, replace=False))
    groups = np.empty(n, int)
    groups[chosen] = _dense(embeddings[chosen], None, max(3, round(smallest * MAX_DENSE / n)), progress)
    others = np.setdiff1d(np.arange(n), chosen)
    sample = np.ascontiguousarray(embeddings[chosen])
    step = max(1, neighbours.SCORES_AT_ONCE // MAX_DENSE)
    for start in range(0, len(others), step):
        progress("others", start, len(others))
        here = others[start : start + step]
        scores = embeddings[here] @ sample.T  # (step, MAX_DENSE)
        groups[here] = _most_common(groups[chosen][highest(scores, FOLLOWED)[1]])
    progress("others", len(others), len(others))
    return groups


def _dense(embeddings: np.ndarray, nearest: Neighbours | None, smallest: int, progress: Progress) -> np.ndarray:
    from sklearn.cluster import HDBSCAN

    n = len(embeddings)
    if n < max(smallest, 3):
        return np.full(n, -1)
    rows = (nearest or neighbours.exact(embeddings, k=min(NEAREST, n - 1), progress=progress)).first(NEAREST).rows
    progress("groups", 0, 1)
    drawn = _drawn(embeddings, rows)
    mean, axes, _ = pca.fit(drawn)
    reduced = (drawn - mean) @ axes[:AXES].T  # (n, at most AXES)
    groups = HDBSCAN(min_cluster_size=smallest, min_samples=min(CORE, smallest), copy=True).fit_predict(reduced)
    progress("groups", 1, 1)
    return _without_far(embeddings, np.maximum(groups, -1), smallest)


def _drawn(embeddings: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """(n, dim) of unit length. nearest: (n, k) rows; only mutual ones draw, so that what is nobody's neighbour stays."""
    from scipy.sparse import csr_matrix

    n, k = nearest.shape
    ones = np.ones(n * k, np.float32)
    graph = csr_matrix((ones, nearest.ravel(), np.arange(0, n * k + 1, k)), (n, n))
    graph = graph.multiply(graph.T).tocsr()
    drawing = np.asarray(graph.sum(axis=1)).clip(min=1)  # (n, 1)
    drawn = embeddings
    for _ in range(STEPS):
        drawn = drawn + 2 * (graph @ drawn) / drawing
        drawn = drawn / np.linalg.norm(drawn, axis=1, keepdims=True).clip(min=SAME)
    return drawn


def _without_far(embeddings: np.ndarray, groups: np.ndarray, smallest: int) -> np.ndarray:
    for group in range(groups.max() + 1):
        members = np.flatnonzero(groups == group)
        scores = embeddings[members] @ embeddings[members].mean(axis=0)
        low, high = np.quantile(scores, [0.25, 0.75])
        far = scores < low - FAR_OUT * (high - low) - SAME
        if len(members) - far.sum() >= smallest:
            groups[members[far]] = -1
    return groups


def _most_common(groups: np.ndarray) -> np.ndarray:
    """(q,) the group that most of (q, k) are in, the lowest of several."""
    counts = np.stack([(groups == group).sum(axis=1) for group in range(-1, groups.max() + 1)])
    return counts.argmax(axis=0) - 1


def k_means(embeddings: np.ndarray, *, clusters: int, seed: int) -> np.ndarray:
    """(n,) groups of (n, dim) unit-length float32, at most `clusters`: fewer where fewer embeddings differ."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    if clusters == 1 or all_equal(embeddings):
        return np.zeros(len(embeddings), int)
    if len(embeddings) <= MAX_WHOLE:
        method = KMeans(clusters, n_init=STARTS, random_state=seed)
    else:
        method = MiniBatchKMeans(clusters, n_init=STARTS, batch_size=4096, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters: the result says it
        groups = method.fit_predict(embeddings)
    return np.unique(groups, return_inverse=True)[1]


def best_k_means(
    embeddings: np.ndarray, *, seed: int, counts: Sequence[int] = COUNTS, progress: Progress = silent
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """The groups with the highest mean silhouette, and what was tried: clusters and silhouette of each."""
    n = len(embeddings)
    if n < 3 or all_equal(embeddings):
        return np.zeros(n, int), []
    possible = [count for count in counts if count <= max(2, n // 2)]
    best, tried = np.zeros(n, int), list[dict[str, float]]()
    for done, count in enumerate(possible):
        progress("clusters tried", done, len(possible))
        groups = k_means(embeddings, clusters=count, seed=seed)
        value = float(silhouettes(embeddings, groups).mean())
        if not tried or value > max(one["silhouette"] for one in tried):
            best = groups
        tried.append({"clusters": count, "silhouette": value})
    progress("clusters tried", len(possible), len(possible))
    return best, tried
