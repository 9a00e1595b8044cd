"""Same or different? Pairs of pictures, accepted as the same where their score reaches a threshold.

The curve is scikit-learn's, one point per different score, and equal scores are accepted together. Choose a threshold on dev
data, report its rates on others. With equal numbers of both kinds, as draw_pairs gives, average_precision of a chance
order is 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.metrics.retrieval import Labels, label_codes

AT_ONCE = 8192  # pairs whose embeddings are float64 at a time


@dataclass(frozen=True)
class Roc:
    """(m,) arrays, thresholds descending from inf, which accepts nothing; accepted: score >= threshold.

    false_accept_rate: share of different pairs accepted. true_accept_rate: share of same pairs accepted. auc: share of
    (same, different) couples of pairs in which the same one scores higher, a tie a half. average_precision: sum over
    thresholds of (rise of the true accept rate) x (share of same pairs among those accepted); it depends on how many of
    each kind there are: say so beside it.
    """

    thresholds: np.ndarray
    false_accept_rate: np.ndarray
    true_accept_rate: np.ndarray
    n_same: int
    n_different: int
    auc: float
    average_precision: float


def draw_pairs(labels: Labels, n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two (m, 2) arrays of rows, pairs of the same label and of different ones, each drawn evenly from all there are.

    m is n, or fewer where one kind has fewer. No row is paired with itself and no pair comes twice, in neither order.
    UsageError where one kind has none.
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")  # rows by label; below, a place is one in this order
    places, sizes = np.arange(len(codes)), np.bincount(codes)
    first = (np.cumsum(sizes) - sizes)[codes[order]]  # (rows,) the first place of its label
    # A pair belongs to its later place, which has so many earlier partners of its own label and of others.
    alike, apart = places - first, first
    m = min(n, int(alike.sum()), int(apart.sum()))
    if m < 1:
        raise UsageError("pairs need n of at least 1 and two labels, one of them with two pictures; choose other data")
    random = np.random.default_rng(seed)
    later, partner = _draw(alike, m, random)
    same = np.stack([first[later] + partner, later], axis=1)
    later, partner = _draw(apart, m, random)
    return order[same], order[np.stack([partner, later], axis=1)]


def draw_pairs_between(
    query_labels: Labels, gallery_labels: Labels, n: int, *, seed: int, exclude: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As draw_pairs, of a query's row and a gallery row each. exclude: as in retrieval.nearest; such pairs are dropped."""
    query_codes, gallery_codes = label_codes(query_labels, gallery_labels)
    order = np.argsort(gallery_codes, kind="stable")  # gallery rows by label; below, a place is one in this order
    sizes = np.bincount(gallery_codes, minlength=int(query_codes.max(initial=-1)) + 1)
    alike, first = sizes[query_codes], (np.cumsum(sizes) - sizes)[query_codes]  # (queries,)
    apart = len(gallery_codes) - alike
    m = min(n, int(alike.sum()), int(apart.sum()))
    if m < 1:
        raise UsageError(
            "pairs need n of at least 1 and labels that some queries and gallery rows share, and others not"
        )
    random = np.random.default_rng(seed)
    query, partner = _draw(alike, m, random)
    same = np.stack([query, order[first[query] + partner]], axis=1)
    query, partner = _draw(apart, m, random)
    different = np.stack([query, order[partner + (partner >= first[query]) * alike[query]]], axis=1)
    if exclude is None:
        return same, different
    return same[exclude[same[:, 0]] != same[:, 1]], different[exclude[different[:, 0]] != different[:, 1]]


def pair_scores(embeddings: np.ndarray, pairs: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """(m,) float32 scores of the two rows of each pair; embeddings (n, dim) have unit length. Equal rows tie.

    others: where the second row of each pair is, if not in `embeddings` too.
    """
    second_rows = embeddings if others is None else others
    scores = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), AT_ONCE):
        one, two = pairs[start : start + AT_ONCE].T
        left, right = embeddings[one].astype(np.float64), second_rows[two].astype(np.float64)
        scores[start : start + AT_ONCE] = np.einsum("pd,pd->p", left, right)
    return scores


def roc(same: np.ndarray, different: np.ndarray) -> Roc:
    """From the scores of same and of different pairs. UsageError where one is empty or a score is not finite."""
    from sklearn import metrics

    if not (len(same) and len(different)):
        raise UsageError("verification needs scores of same pairs and of different pairs; one of the two is empty")
    scores = np.concatenate([same, different])
    if not np.isfinite(scores).all():
        raise UsageError("a pair's score is not finite; encode again")
    truth = np.repeat([True, False], [len(same), len(different)])
    # without drop_intermediate=False thresholds are left out between which the curve is straight
    false_accepts, true_accepts, thresholds = metrics.roc_curve(truth, scores, drop_intermediate=False)
    area, precision = metrics.auc(false_accepts, true_accepts), metrics.average_precision_score(truth, scores)
    return Roc(thresholds, false_accepts, true_accepts, len(same), len(different), float(area), float(precision))


def eer(curve: Roc) -> tuple[float, float]:
    """The rate at which as many different pairs are accepted as same ones refused, and its threshold.

    Between two points of the curve both are interpolated; above the highest score there is no threshold but it.
    """
    ahead = curve.false_accept_rate - (1 - curve.true_accept_rate)  # (m,) from -1 to 1, rising
    after = int(np.argmax(ahead >= 0))
    before = after - 1  # the first point is -1
    part = ahead[before] / (ahead[before] - ahead[after])
    rates, thresholds = curve.false_accept_rate, curve.thresholds
    above = thresholds[before] if before else thresholds[after]
    return (
        float(rates[before] + part * (rates[after] - rates[before])),
        float(above + part * (thresholds[after] - above)),
    )


def at_false_accept(curve: Roc, *, rate: float = 1e-3) -> tuple[float, float]:
    """The lowest threshold that accepts at most this share of different pairs, and its true accept rate.

    Fewer than 1 / rate different pairs: it accepts none of them. The threshold is inf where a different pair is on top.
    """
    if not 0 <= rate <= 1:
        raise UsageError(f"a false accept rate of {rate} is not between 0 and 1")
    last = int(np.searchsorted(curve.false_accept_rate, rate, side="right")) - 1
    return float(curve.thresholds[last]), float(curve.true_accept_rate[last])


def _draw(partners: np.ndarray, m: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(m,) places and which of their partners, m different ones of all; partners: how many each place has."""
    ends = np.cumsum(partners)
    drawn = random.choice(int(ends[-1]), m, replace=False)
    places = np.searchsorted(ends, drawn, side="right")
    return places, drawn - (ends - partners)[places]
