"""Hits for words alone where the encoder takes none: the nearest along each kind's direction, in the order of how
likely they show what was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.gallery import confidence
from pipeline.kinds import words
from pipeline.kinds.readout import Readout
from pipeline.records import SearchHit, VectorStore

if TYPE_CHECKING:
    import numpy as np

DEPTH = 100  # hits along each direction, at least
NAMED = 50  # first hits whose kinds are named first
LEARNED = {"thresholds": {str(level): 1 - level for level in confidence.LEVELS}}
"""What `gallery.confidence` takes: a probability is what it says, so hits from 1 - level up keep the level (benchmarks.words)."""


@dataclass(frozen=True)
class Asked:
    """What was asked for and what was not, as meanings."""

    texts: tuple[words.Meaning, ...]
    not_texts: tuple[words.Meaning, ...] = ()

    def likely(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, kinds) to (n,): how likely a picture shows one of the kinds asked for; of several texts the geometric mean,
        so that a picture that shows a little of each goes before one that shows all of one."""
        import numpy as np

        shown = [np.maximum(probabilities[:, list(one.kinds)].sum(axis=1), 1e-30) for one in self.texts]
        asked = np.exp(np.mean(np.log(shown), axis=0))
        return np.asarray(asked * (1 - probabilities[:, sorted(self.unwanted)].sum(axis=1)))

    @property
    def unwanted(self) -> set[int]:
        return {kind for one in self.not_texts for kind in one.kinds}


def asked(texts: Sequence[str], not_texts: Sequence[str] = ()) -> Asked:
    """UsageError for a text that means nothing here."""
    return Asked(tuple(map(words.meaning, texts)), tuple(map(words.meaning, not_texts)))


def hits(
    readout: Readout,
    store: VectorStore,
    collection: str,
    asked: Asked,
    nearest: Callable[..., list[SearchHit]],
    k: int,
) -> tuple[list[SearchHit], dict[str, float], str]:
    """The likeliest first, how likely each is by id, and what was understood. A score is the cosine to the nearest direction.

    nearest(directions, k) gives the k nearest along each, all together, as filters and removals allow.
    """
    import numpy as np

    directions = np.concatenate([readout.directions(one.kinds) for one in asked.texts])  # (m, dim)
    among = {hit.id: hit for hit in nearest(directions, max(k, DEPTH))}
    stored = store.embeddings(collection, [*among])
    there = [hit for hit in among.values() if hit.id in stored]  # not what was taken out between the two questions
    rows = np.array([stored[hit.id] for hit in there], np.float32).reshape(-1, directions.shape[1])
    probabilities = readout.probabilities(rows)  # (n, kinds)
    likely = asked.likely(probabilities)
    order = np.argsort(-likely, kind="stable")
    unwanted = asked.unwanted
    seen = np.argsort(-probabilities[order[:NAMED]].sum(axis=0), kind="stable").tolist()
    seen = sorted(seen, key=lambda kind: kind in unwanted)  # stable: what was not asked for is not named first
    said = "; ".join([*(one.said(seen) for one in asked.texts), *(f"without {one.via}" for one in asked.not_texts)])
    scores = (rows @ directions.T).max(axis=1)
    best = [replace(there[i], score=float(scores[i])) for i in order]
    return best, {hit.id: float(likely[i]) for hit, i in zip(best, order, strict=True)}, said
