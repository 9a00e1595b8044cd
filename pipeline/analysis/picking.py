"""Few pictures that stand for many: plain functions on arrays, the same answer for the same seed.

Embeddings are (n, dim) float32 of unit length; a distance is the Euclidean one between two of them, 0 to 2. Picks are
rows, in the order in which they are worth most.
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.retrieval import highest
from pipeline.records import Progress, silent

BLOCK = 64  # candidates whose distances to all rows are computed together: a matrix product, not a pass each
DRAWS = 5  # of random picks that a choice is held against
MAX_WHOLE = 8_000  # rows that `covering` compares with each other: 256 MB
_CELLS = 16_000_000  # scores held at once: 64 MB


def farthest(
    embeddings: np.ndarray, count: int, *, covered: np.ndarray | None = None, progress: Progress = silent
) -> np.ndarray:
    """(count,) rows, each the farthest from those before it and from the rows `covered`: greedy k-centre (Gonzalez 1985).

    With nothing covered the first is the one nearest to the mean. Exact: candidates are taken in blocks, and one counts
    only while no other row is farther. Raises ValueError for more than there are beside the covered ones.
    """
    n = len(embeddings)
    free = np.ones(n, bool)
    nearest = np.full(n, -np.inf, np.float32)  # the highest score to what is covered
    if covered is not None and len(covered):
        nearest = highest_scores(embeddings, embeddings[covered])
        free[covered] = False
    if count > free.sum():
        raise ValueError(f"{count} of {free.sum()} rows")
    picks: list[int] = []
    if count and free.all():
        picks.append(int((embeddings @ embeddings.mean(axis=0)).argmax()))
        nearest, free[picks[0]] = embeddings @ embeddings[picks[0]], False
    while len(picks) < count:
        progress("picks", len(picks), count)
        open_ = np.where(free, nearest, np.inf)
        block = min(BLOCK, int(free.sum()))
        candidates = np.argpartition(open_, block - 1)[:block]
        scores = embeddings[candidates] @ embeddings.T  # (block, n)
        place = {int(row): i for i, row in enumerate(candidates)}
        while len(picks) < count:
            best = int(open_.argmin())
            if best not in place:
                break
            picks.append(best)
            free[best] = False
            np.maximum(nearest, scores[place[best]], out=nearest)
            open_ = np.where(free, nearest, np.inf)
    progress("picks", count, count)
    return np.array(picks, np.int64)


def covering(
    embeddings: np.ndarray,
    count: int,
    *,
    covered: np.ndarray | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> np.ndarray:
    """(count,) rows, each the one that lifts the mean score of all rows to their nearest pick the most.

    Greedy facility location, which is never worse than 63 % of the best there is (Nemhauser, Wolsey and Fisher 1978). Of
    more than MAX_WHOLE rows that many are drawn by the seed, which stand for the others.
    """
    import heapq

    n = len(embeddings)
    drawn = np.arange(n)
    if n > MAX_WHOLE:
        drawn = np.sort(np.random.default_rng(seed).choice(n, max(MAX_WHOLE, min(2 * count, n)), replace=False))
    seen = embeddings[drawn]
    nearest = np.zeros(len(drawn), np.float32)
    taken = set() if covered is None else set(covered.tolist())
    if covered is not None and len(covered):
        nearest = np.maximum(nearest, highest_scores(seen, embeddings[covered]))
    scores = seen @ seen.T if len(seen) <= MAX_WHOLE else None  # (m, m)

    def gain(i: int) -> float:
        row = scores[i] if scores is not None else seen @ seen[i]
        return float(np.maximum(row - nearest, 0).sum())

    free = [i for i, row in enumerate(drawn.tolist()) if row not in taken]
    heap = [(-gain(i), i) for i in free]
    heapq.heapify(heap)
    picks: list[int] = []
    while len(picks) < count and heap:
        progress("picks", len(picks), count)
        _, i = heapq.heappop(heap)
        now = gain(i)  # gains only shrink: who still has the most after being looked at again has the most of all
        if heap and now < -heap[0][0]:
            heapq.heappush(heap, (-now, i))
            continue
        picks.append(int(drawn[i]))
        nearest = np.maximum(nearest, scores[i] if scores is not None else seen @ seen[i])
    progress("picks", count, count)
    return np.array(picks, np.int64)


def central(embeddings: np.ndarray, count: int, *, seed: int = 0, progress: Progress = silent) -> np.ndarray:
    """(count,) rows, of each of `count` groups of k-means the one nearest to its middle, the largest group first.

    Never a stray one: what the gallery's pictures are like at large.
    """
    from pipeline.analysis.grouping import k_means

    if count >= len(embeddings):
        return np.arange(len(embeddings))
    progress("groups", 0, 1)
    groups = k_means(embeddings, clusters=count, seed=seed)
    progress("groups", 1, 1)
    picks = one_each(embeddings, groups)
    if len(picks) < count:  # fewer embeddings differ than were asked for
        rest = farthest(embeddings, count - len(picks), covered=picks)
        return np.concatenate([picks, rest])
    return picks


def one_each(embeddings: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Of each group (numbers from 0, -1 is none) the row nearest to its mean, the largest group first."""
    picks, sizes = [], []
    for group in range(groups.max() + 1):
        members = np.flatnonzero(groups == group)
        if len(members):
            scores = embeddings[members] @ embeddings[members].mean(axis=0)
            picks.append(int(members[scores.argmax()]))
            sizes.append(len(members))
    return np.array(picks, np.int64)[np.argsort(-np.array(sizes), kind="stable")]


def from_each(embeddings: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """(count,) rows, as many from each group while it has some: in turns, of each the middle one, then the farthest."""
    from collections import deque

    order = np.argsort(-np.bincount(groups), kind="stable")
    queues = []
    for group in order:
        members = np.flatnonzero(groups == group)
        if len(members):
            queues.append(deque(members[farthest(embeddings[members], min(len(members), count))].tolist()))
    picks: list[int] = []
    while len(picks) < count and queues:
        for queue in queues:
            if len(picks) < count:
                picks.append(queue.popleft())
        queues = [queue for queue in queues if queue]
    return np.array(picks, np.int64)


def doubts(embeddings: np.ndarray, known: np.ndarray, labels: np.ndarray, *, k: int = 10) -> np.ndarray:
    """(n,) float32, 0 (sure) to 1: how evenly the two strongest labels among the k nearest of the `known` rows share.

    labels: of the known rows. Nearer ones count more (their score to the 8th power).
    """
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return np.zeros(len(embeddings), np.float32)
    found = np.zeros(len(embeddings), np.float32)
    step = max(1, _CELLS // len(known))
    for start in range(0, len(embeddings), step):
        scores = embeddings[start : start + step] @ embeddings[known].T
        best, rows = highest(scores, min(k, len(known)))
        weights = np.clip(best, 1e-6, 1) ** 8
        votes = np.zeros((len(rows), len(names)), np.float32)
        np.add.at(votes, (np.arange(len(rows))[:, None], codes[rows]), weights)
        first, second = -np.sort(-votes, axis=1)[:, :2].T
        found[start : start + step] = second / first
    return found


def highest_scores(embeddings: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) float32: of each row the highest score to one of `others`."""
    step = max(1, _CELLS // max(len(others), 1))
    parts = [(embeddings[start : start + step] @ others.T).max(axis=1) for start in range(0, len(embeddings), step)]
    return np.concatenate(parts)


def distance_left(embeddings: np.ndarray, picks: np.ndarray) -> float:
    """The mean cosine distance, 1 - score, of a row to the nearest pick; 0 where every row is one."""
    scores = highest_scores(embeddings, embeddings[picks]).astype(np.float64)
    scores[picks] = 1
    return float(1 - scores.clip(-1, 1).mean())


def by_chance(embeddings: np.ndarray, count: int, *, known: np.ndarray, seed: int) -> float:
    """`distance_left` of so many random rows beside the known ones, the mean of DRAWS draws."""
    random = np.random.default_rng(seed)
    free = np.setdiff1d(np.arange(len(embeddings)), known)
    draws = [np.concatenate([known, random.choice(free, count, replace=False)]) for _ in range(DRAWS)]
    return float(np.mean([distance_left(embeddings, draw) for draw in draws]))
