"""What somebody looks for, learned from pictures that were marked as it or as not it: one direction among embeddings.

Logistic regression of the liked against the disliked pictures (relevance feedback by a classifier instead of Rocchio's
means). The pictures to ask about next are those that it is least sure of and that differ from each other: uncertainty
sampling in batches with diversity (Settles, Active Learning Literature Survey 2009, 3.1 and 6.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MIN_MARKS = 4  # liked and disliked together, with one of each at least; fewer say more by their means
STRENGTH = 4.0  # inverse of the L2 penalty; 0.1 to 500 differ by less than chance (docs/experiments.md#twenty-answers)
DISLIKED, AVERAGE = 0.3, 0.2  # of the weight beside the liked half: pictures disliked, and the gallery's mean
DOUBTFUL = 4  # times as many of the least sure as are asked about; among them those that differ most
DEPTH = 1000  # nearest that are looked through for what to ask about
FIRST = 24  # of two orders that are compared by what only one of them has
BEGIN = 6  # times as many of the nearest, before anything is marked


@dataclass(frozen=True)
class Sought:
    """along: (dim,) of unit length; a row's decision is above 0 where it is rather what is looked for."""

    along: np.ndarray
    scale: float
    offset: float

    def decide(self, rows: np.ndarray) -> np.ndarray:
        """(n, dim) to (n,): log odds."""
        return rows @ self.along * self.scale + self.offset


def enough(like: int, unlike: int) -> bool:
    """Whether `learn` is worth more than the means of what was marked, beside a picture that asks."""
    return unlike > 0 and like > 0 and like + unlike >= MIN_MARKS


def learn(yes: np.ndarray, no: np.ndarray, mean: np.ndarray) -> Sought:
    """yes, no: (n, dim) of at least one row each, of unit length. mean: (dim,) of the gallery's embeddings."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate([yes, no, mean[None]]).astype(np.float64) - mean
    spread = max(float(np.sqrt((rows[:-1] ** 2).sum(1).mean())), 1e-12)
    truth = np.r_[np.ones(len(yes)), np.zeros(len(no) + 1)]
    weights = np.r_[np.full(len(yes), 0.5 / len(yes)), np.full(len(no), DISLIKED / len(no)), AVERAGE]
    fitted = LogisticRegression(C=STRENGTH, max_iter=500).fit(rows / spread, truth, sample_weight=weights)
    along = fitted.coef_[0] / spread
    scale = max(float(np.linalg.norm(along)), 1e-12)
    offset = float(fitted.intercept_[0]) - float(along @ mean)
    return Sought((along / scale).astype(np.float32), scale, offset)


def next_to_ask(rows: np.ndarray, sought: Sought | None, count: int, *, liked: int = 0) -> np.ndarray:
    """At most `count` positions of rows (n, dim), nearest first, that nobody marked yet: the doubtful, and unlike each other.

    sought: None before anything is disliked; then the nearest are doubtful, and the more are liked, the farther away.
    """
    import numpy as np

    if sought is None:
        doubtful = np.arange(min(len(rows), count * BEGIN * (1 + liked)))
    else:
        doubtful = np.argsort(np.abs(sought.decide(rows)), kind="stable")[: count * DOUBTFUL]
    some = rows[doubtful]
    picked, nearest = [0][: len(some)], some @ some[0] if len(some) else np.empty(0)
    while len(picked) < min(count, len(some)):  # greedy k-centre: each the least alike to those before
        nearest[picked] = np.inf
        picked.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, some @ some[picked[-1]])
    return doubtful[picked]


def to_compare(learned: np.ndarray, before: np.ndarray, count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of two orders of rows, best first, which have those marked left out: at most `count` in all that only one has among
    its first, drawn; those of `learned`, then those of `before`. Which of the two has more that are right is the better one.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    tops = learned[:FIRST], before[:FIRST]
    only = np.setdiff1d(tops[0], tops[1]), np.setdiff1d(tops[1], tops[0])
    shares = count - count // 2, count // 2
    drawn = [random.permutation(of)[:share] for of, share in zip(only, shares, strict=True)]
    return drawn[0], drawn[1]
