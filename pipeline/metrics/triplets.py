"""Triplet metrics (Wang et al. 2014, section 6): (t, 3) rows of anchor, closer, farther, against what embeddings say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.errors import UsageError

TIE = 0.5e-9  # of scores; the squared distance of unit embeddings is 2 - 2 * score, and ties within 1e-9
AT_ONCE = 8192  # triplets whose embeddings are float64 at a time


def similarity_precision(embeddings: np.ndarray, triplets: np.ndarray) -> np.ndarray:
    """(t,) 1 where the embeddings, of unit length, rank the triplet right, 0 where wrong, 1/2 for a tie."""
    return (1 + _verdicts(embeddings, triplets)) / 2


def precision_and_ties(values: np.ndarray) -> tuple[float, float]:
    """similarity_precision over all triplets, and the share of ties in it; nan without triplets."""
    return (float(values.mean()), float((values == 0.5).mean())) if len(values) else (float("nan"), float("nan"))


def score_at_top_k(
    embeddings: np.ndarray, triplets: np.ndarray, candidates: Mapping[int, np.ndarray], *, k: int = 30
) -> tuple[int, int]:
    """Right minus wrong triplets among those with closer or farther in the anchor's first k, and how many those are.

    candidates: by anchor, the rows that are ranked (the paper: 1000 of the anchor's text query), the triplets' own
    among them; the anchor itself is none. Equal scores rank by lower row. A tie counts 0 in the first number. The
    score grows with the number of triplets: give the second beside it.
    """
    scores, sizes = score_curve(embeddings, triplets, candidates, k=k)
    return int(scores[-1]), int(sizes[-1])


def score_curve(
    embeddings: np.ndarray, triplets: np.ndarray, candidates: Mapping[int, np.ndarray], *, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """`score_at_top_k` of 1 to k: (k,) scores and (k,) counted triplets."""
    ranks, verdicts = first_ranks(embeddings, triplets, candidates), _verdicts(embeddings, triplets)
    inside = ranks <= k
    places = ranks[inside].astype(np.int64) - 1
    steps = (np.bincount(places, weights, minlength=k) for weights in (verdicts[inside], None))
    scores, sizes = (np.cumsum(step).astype(np.int64) for step in steps)
    return scores, sizes


def first_ranks(embeddings: np.ndarray, triplets: np.ndarray, candidates: Mapping[int, np.ndarray]) -> np.ndarray:
    """(t,) float: where the first of closer and farther stands among the anchor's candidates, from 1; inf for neither."""
    ranks = np.full(len(triplets), np.inf)
    order = np.argsort(triplets[:, 0], kind="stable")
    anchors, starts = np.unique(triplets[order, 0], return_index=True)
    for anchor, own in zip(anchors.tolist(), np.split(order, starts[1:]), strict=True):
        if anchor not in candidates:
            raise UsageError(f"score_at_top_k: no candidates for the anchor {anchor}; make them with draw_candidates")
        ranked = np.setdiff1d(candidates[anchor], [anchor])  # ascending
        if not len(ranked):
            continue
        query = embeddings[anchor].astype(np.float64)
        scores = (embeddings[ranked].astype(np.float64) @ query).astype(np.float32)  # rounded: equal rows tie
        rank = np.empty(len(ranked))
        rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(ranked) + 1)
        pair = triplets[own, 1:]  # (m, 2)
        at = np.searchsorted(ranked, pair).clip(max=len(ranked) - 1)
        ranks[own] = np.where(ranked[at] == pair, rank[at], np.inf).min(axis=1)
    return ranks


def score_values(
    embeddings: np.ndarray, triplets: np.ndarray, candidates: Mapping[int, np.ndarray], *, k: int
) -> np.ndarray:
    """(t,) what each triplet adds to the score: 1 right, -1 wrong, 0 for a tie or one that does not count."""
    return np.where(first_ranks(embeddings, triplets, candidates) <= k, _verdicts(embeddings, triplets), 0.0)


def draw_candidates(
    labels: Sequence[str] | np.ndarray, anchors: np.ndarray, *, same: int = 500, others: int = 500, seed: int
) -> dict[int, np.ndarray]:
    """By anchor, ascending rows: up to `same` of its label (itself left out) and up to `others` of all other labels.

    A label with more than `same` pictures is sampled, so a triplet's own may be missing: raise `same` then.
    """
    codes, random, candidates = np.asarray(labels), np.random.default_rng(seed), {}
    for anchor in np.unique(anchors).tolist():
        alike = codes == codes[anchor]
        near, far = np.setdiff1d(np.flatnonzero(alike), [anchor]), np.flatnonzero(~alike)
        drawn = [random.choice(part, min(n, len(part)), replace=False) for part, n in ((near, same), (far, others))]
        candidates[anchor] = np.sort(np.concatenate(drawn))
    return candidates


def category_triplets(labels: Sequence[str] | np.ndarray, n: int, *, seed: int) -> np.ndarray:
    """(n, 3) rows: an anchor, another of its label, one of another label; each uniform among what can be.

    UsageError where no label has two pictures or there is only one label.
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    sizes = np.bincount(codes)
    able = np.flatnonzero(sizes[codes] > 1)
    if not len(able) or len(sizes) < 2:
        raise UsageError("category triplets need two labels, one of them with two pictures; choose other data")
    random = np.random.default_rng(seed)
    order = np.argsort(codes, kind="stable")  # rows by label
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    starts = np.cumsum(sizes) - sizes

    anchors = random.choice(able, n)
    start, size = starts[codes[anchors]], sizes[codes[anchors]]
    positives = start + random.integers(size - 1)
    positives += positives >= place[anchors]  # the anchor's own place is stepped over
    negatives = random.integers(len(codes) - size)
    negatives += np.where(negatives >= start, size, 0)  # and so are its label's
    return np.stack([anchors, order[positives], order[negatives]], axis=1)


def effective_rank(embeddings: np.ndarray) -> float:
    """exp of the entropy of the covariance's eigenvalues: how many directions are used, 1 to dim; 0 if all are equal.

    Roy and Vetterli 2007; a fall towards 1 in training is a collapse.
    """
    centred = embeddings.astype(np.float64)
    centred -= centred.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred / max(1, len(centred))).clip(0)
    if values.sum() < 1e-12:  # float32 rounding of one point
        return 0.0
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _verdicts(embeddings: np.ndarray, triplets: np.ndarray) -> np.ndarray:
    """(t,) 1 right, -1 wrong, 0 within TIE."""
    verdicts = np.empty(len(triplets))
    for start in range(0, len(triplets), AT_ONCE):
        anchor, closer, farther = embeddings[triplets[start : start + AT_ONCE].T].astype(np.float64)  # (t, dim) each
        ahead = np.einsum("td,td->t", anchor, closer) - np.einsum("td,td->t", anchor, farther)
        verdicts[start : start + AT_ONCE] = np.where(np.abs(ahead) <= TIE, 0, np.sign(ahead))
    return verdicts
