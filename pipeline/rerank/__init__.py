"""Another order of a query's hits than by score alone; one file each, chosen by measurement (gallery/ranking.py)."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from pipeline.records import Encoder

NearestRows = Callable[["np.ndarray", int], "np.ndarray"]
"""nearest(direction, n): (m, dim) embeddings of the at most n rows that lie nearest to it, closest first."""

Cells = Callable[["Sequence[Image]", int], "np.ndarray"]
"""cells(images, grid): (n, rows, columns, d) of RGB pictures, at most grid × grid."""


class Reranker(Protocol):
    """What a file of this folder builds: another order of one query's hits. Embeddings have unit length.

    mean: (dim,) of the gallery's embeddings, not of unit length. Two methods, so that any store can find the hits.
    """

    depth: int  # hits that `order` wants; 0 = no more than are shown

    def direction(self, query: np.ndarray, mean: np.ndarray, nearest: NearestRows) -> np.ndarray:
        """(dim,) of unit length: what is searched with instead of `query`."""

    def order(self, query: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Positions of all rows (n, dim), best first; they come closest first. query: what `direction` gave."""


class ByScore:
    """A Reranker that changes nothing; the base of a Matcher, whose order needs the pictures."""

    depth = 0

    def direction(self, query: np.ndarray, mean: np.ndarray, nearest: NearestRows) -> np.ndarray:
        return query

    def order(self, query: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.arange(len(rows))


@dataclass(frozen=True)
class Places:
    """Local features of one picture. boxes: (n, 4) x, y, width, height in shares of the picture. features: (n, d)."""

    boxes: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class Match:
    """Where two pictures show the same. score: 0 to 1. query, hit: (m, 4) boxes as in Places, the surest pair first."""

    score: float
    query: np.ndarray
    hit: np.ndarray


class Matcher(Reranker, Protocol):
    """A Reranker that compares the pictures themselves; its `order`, which has embeddings alone, is that of the scores."""

    encodes: bool  # whether `places` asks the encoder
    kept_as: str  # names what `places` gives of a hit, beside the encoder's fingerprint where that is asked

    def places(self, encoder: Encoder | None, images: Sequence[Image], *, asking: bool) -> list[Places]:
        """Of RGB pictures. asking: they are asked with; else they are hits. UsageError for an encoder that has none."""

    def match(self, query: Places, hits: Sequence[Places]) -> list[Match]:
        """A picture asked with against each hit; of nothing in common the score is 0."""

    def merged(self, scores: np.ndarray, matches: np.ndarray) -> np.ndarray:
        """Positions of all hits, best first. scores: (n,), they come closest first. matches: (n,) scores of Match, nan for
        a hit that could not be compared."""


def is_matcher(reranker: Reranker) -> TypeGuard[Matcher]:
    return hasattr(reranker, "match")


def cells_of(encoder: Encoder | None) -> Cells:
    """A network's `cells` (networks/frozen.py); a head or a projection asks the encoder that it stands on. UsageError for an
    encoder that has none."""
    while encoder is not None:
        if cells := getattr(encoder, "cells", None):
            return typing.cast(Cells, cells)
        encoder = getattr(encoder, "base", None)
    raise UsageError("the gallery's encoder is no network that keeps the places of what it sees")


def merged(scores: np.ndarray, matches: np.ndarray, share: float) -> np.ndarray:
    """As Matcher's: both in their standard deviations over these hits, share of the match; what was not compared counts as
    a middling match."""
    import numpy as np

    def standard(values: np.ndarray) -> np.ndarray:
        return (values - values.mean()) / max(float(values.std()), 1e-9)

    known = np.isfinite(matches)
    if not known.any():
        return np.arange(len(scores))
    match = np.zeros(len(scores))
    match[known] = standard(matches[known])
    return np.argsort(-((1 - share) * standard(scores) + share * match), kind="stable")


def unit(vectors: np.ndarray) -> np.ndarray:
    """(…, dim) in unit length; zeros stay zeros."""
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def expanded(query: np.ndarray, rows: np.ndarray, *, share: float, alpha: float = 1.0) -> np.ndarray:
    """(dim,) of unit length: the query joined with rows (n, dim), each by its score to the power alpha. share: theirs."""
    weights = (rows @ query).clip(min=0) ** alpha  # (n,)
    return unit((1 - share) * query + share * unit(weights @ rows))
