"""How likely a hit is right, learned from a gallery's own labels: a hit is right when it has the query's label.

A score alone means another thing for every query: each is held against the query's own background, the last of its first
hits. Where hits have labels, those that agree with the nearest ones are likelier right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from pipeline.records import SearchHit

DEPTH = 100  # first hits that are looked at
BACKGROUND = 20  # the last of them
VOTERS = 20  # the first of them
MAX_QUERIES = 300
MIN_LABELLED = 200  # pictures: fewer teach too little
CAREFUL = 0.85  # of a level: new queries fit a gallery less well than its own pictures do (benchmarks.trust)
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # shares of wrong hits that can be asked for
ALARMS = 0.06  # of held-out queries whose kind is there; of new pictures it is up to twice as many (benchmarks.trust)
STRONG = 0.1  # of them: of all strong hits no more are wrong
LIKELY, POSSIBLE = 0.75, 0.35  # probabilities that a strong and a possible hit has at least

Band = Literal["strong", "possible", "weak"]


def learn(embeddings: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """What `estimate` and `is_novel` take: {"weights", "bias", "thresholds", "queries", "novelty"}; {} when labels teach too
    little.

    embeddings: (n, dim), all rows; labels: (n,), "" for none. thresholds: per share of LEVELS the probability from which
    up the hits of held-out queries were wrong so often at most; above 1 where no probability keeps that. novelty: what tells
    queries from the same ones asked after their own label was taken out; {} where too little is left without one.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    able = np.flatnonzero(np.isin(labels, names[counts > 1]))
    if len(able) < MIN_LABELLED or len(names) < 2 or len(embeddings) <= DEPTH:
        return {}
    from sklearn.linear_model import LogisticRegression  # more than a second: not for galleries that teach nothing

    asking = random.permutation(able)[:MAX_QUERIES]
    inputs, right, nearest, without = [], [], [], []
    for row in asking:
        scores = embeddings @ embeddings[row]
        scores[row] = -np.inf
        first = _first(scores)
        inputs.append(features(scores[first], labels[first], np.arange(DEPTH), scores[first], labels[first]))
        right.append(labels[first] == labels[row])
        nearest.append((scores[first], labels[first]))
        others = np.where(labels == labels[row], -np.inf, scores)
        lacking = _first(others)
        without.append((others[lacking], labels[lacking]) if np.isfinite(others[lacking]).all() else None)
    half = len(asking) // 2  # the others say what a probability is worth
    x, y = np.stack(inputs), np.stack(right)
    if y[:half].all() or not y[:half].any():
        return {}
    fitted = LogisticRegression(C=10, max_iter=1000).fit(x[:half].reshape(-1, x.shape[2]), y[:half].ravel())
    weights, bias = fitted.coef_[0].tolist(), float(fitted.intercept_[0])
    held_out = _probability(x[half:], weights, bias)
    novelty = _learn_novelty(nearest, without, weights, bias)
    thresholds = {str(level): _threshold(held_out.ravel(), y[half:].ravel(), level) for level in LEVELS}
    return {
        "weights": [round(w, 5) for w in weights],
        "bias": round(bias, 5),
        "thresholds": thresholds,
        "queries": len(asking),
        "novelty": novelty,
    }


def _first(scores: np.ndarray) -> np.ndarray:
    """(DEPTH,) places of the highest, best first."""
    import numpy as np

    first = np.argpartition(-scores, DEPTH)[:DEPTH]
    return first[np.argsort(-scores[first], kind="stable")]


Nearest = tuple["np.ndarray", "np.ndarray"]  # (DEPTH,) scores and labels, closest first


def _learn_novelty(
    nearest: Sequence[Nearest], without: Sequence[Nearest | None], weights: Sequence[float], bias: float
) -> dict[str, Any]:
    """nearest, without: of each query with all rows, and with those of its own label left out; None where too few are left."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    lacking = [one for one in without if one is not None]
    if len(lacking) < len(nearest):
        return {}
    half = len(nearest) // 2  # the others say from which value up it holds
    there, gone = (
        np.stack([_neighbourhood(*one, weights, bias) for one in of]) for of in (nearest, lacking)
    )  # (queries, 5) each
    x = np.concatenate([there[:half], gone[:half]])
    mean, sd = x.mean(axis=0), x.std(axis=0) + 1e-6
    x = (x - mean) / sd
    fitted = LogisticRegression(C=1, max_iter=1000).fit(x, np.arange(len(x)) < half)
    values = ((there[half:] - mean) / sd) @ fitted.coef_[0]
    return {
        "mean": [round(float(value), 6) for value in mean],
        "sd": [round(float(value), 6) for value in sd],
        "weights": [round(float(value), 5) for value in fitted.coef_[0]],
        "threshold": round(float(np.quantile(values, ALARMS)), 5),
    }


def _neighbourhood(scores: np.ndarray, labels: np.ndarray, weights: Sequence[float], bias: float) -> np.ndarray:
    """(5,) of one query: best score, mean of five, background, mean probability of five, how many labels vote."""
    import numpy as np

    sure = _probability(features(scores, labels, np.arange(len(scores)), scores, labels), weights, bias)
    voting = len(set(labels[:VOTERS]) - {""}) / VOTERS
    return np.array([scores[0], scores[:5].mean(), scores[-BACKGROUND:].mean(), sure[:5].mean(), voting])


def is_novel(learned: Mapping[str, Any], first: Sequence[SearchHit]) -> bool | None:
    """Whether the gallery seems to have nothing of the query's kind; None when that is not known.

    first: the nearest to the query of the whole gallery, closest first.
    """
    import numpy as np

    if not (known := learned.get("novelty")) or len(first) < DEPTH:
        return None
    scores, labels = (np.array([getattr(hit, name) for hit in first[:DEPTH]]) for name in ("score", "label"))
    value = _neighbourhood(scores, labels.astype(object), learned["weights"], learned["bias"]) - known["mean"]
    return bool(value / known["sd"] @ np.asarray(known["weights"]) < known["threshold"])


def features(
    scores: np.ndarray, labels: np.ndarray, place: np.ndarray, first: np.ndarray, first_labels: np.ndarray
) -> np.ndarray:
    """(n, 2) of one query's hits: score over the background; share of the nearest others that have the same label.

    scores, labels: (n,) of the hits, "" for no label. first, first_labels: (DEPTH,) scores and labels of the nearest,
    closest first. place: (n,) of each hit among those, whatever else beyond: a hit does not vote for itself.
    """
    import numpy as np

    floor = first[-BACKGROUND:].mean()
    voices = np.clip(first[:VOTERS] - floor, 0, None) + 1e-6  # (VOTERS,)
    voters = np.asarray(first_labels[:VOTERS], object)
    own = np.where(place < VOTERS, voices[np.minimum(place, VOTERS - 1)], 0.0)  # (n,)
    votes = {label: voices[voters == label].sum() for label in set(voters) if label}
    given = np.array([votes.get(label, 0.0) for label in labels])
    share = np.clip(given - np.where(given > 0, own, 0.0), 0, None) / np.maximum(voices.sum() - own, 1e-9)
    return np.stack([np.clip(scores - floor, 0, None), share], axis=1)


def estimate(learned: Mapping[str, Any], hits: Sequence[SearchHit], first: Sequence[SearchHit]) -> list[float]:
    """The probability of each hit to be right; all nan when nothing was learned or `first` has fewer than DEPTH.

    first: the nearest to the query of the whole gallery, closest first.
    """
    import numpy as np

    if not learned or len(first) < DEPTH:
        return [float("nan")] * len(hits)
    place = {hit.id: i for i, hit in enumerate(first[:DEPTH])}
    x = features(
        np.array([hit.score for hit in hits]),
        np.array([hit.label for hit in hits], object),
        np.array([place.get(hit.id, DEPTH) for hit in hits], int),
        np.array([hit.score for hit in first[:DEPTH]]),
        np.array([hit.label for hit in first[:DEPTH]], object),
    )
    return list(_probability(x, learned["weights"], learned["bias"]).tolist())


def threshold(learned: Mapping[str, Any], max_wrong: float) -> float:
    """The probability from which up at most this share of hits is wrong: that of the next stricter level."""
    level = max((level for level in LEVELS if level <= max_wrong + 1e-9), default=LEVELS[0])
    return float(learned["thresholds"][str(level)])


def band(learned: Mapping[str, Any], probability: float) -> Band:
    """strong: LIKELY, and of all such hits at most one in ten is wrong; possible: from POSSIBLE up; weak: the others."""
    if probability >= max(LIKELY, threshold(learned, STRONG)):
        return "strong"
    return "possible" if probability >= POSSIBLE else "weak"


def _probability(x: np.ndarray, weights: Sequence[float], bias: float) -> np.ndarray:
    import numpy as np

    return 1 / (1 + np.exp(-(x @ np.asarray(weights) + bias)))


def _threshold(probability: np.ndarray, right: np.ndarray, level: float) -> float:
    """The lowest probability above which the share of wrong hits is at most CAREFUL of `level`."""
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero(wrong <= CAREFUL * level)
    return round(float(probability[order[kept[-1]]]), 6) if len(kept) else 1.1
