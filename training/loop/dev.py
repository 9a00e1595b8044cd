"""How good a network is on the dev split, cheaply enough for every few minutes of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from pipeline.features import relevance
from pipeline.metrics import retrieval, triplets
from training.data.pixels import Pixels
from training.data.prepared import Prepared

SAMPLE = 2_000  # pictures measured, evenly over the labels
SHOWN = 60  # triplets kept for people


class Dev:
    """A fixed sample of dev pictures with fixed triplets.

    In-class triplets are golden by colour and texture alone, so that their meaning is the same in all runs. Of pictures
    without labels the effective rank is all that is measured.
    """

    def __init__(self, data: Prepared, pixels: Pixels, *, side: int, rows: np.ndarray, seed: int = 0) -> None:
        """rows: of the dev split; a run that leaves labels out is measured on the others."""
        self._data, self._pixels, self._side = data, pixels, side
        each = max(2, SAMPLE // len(data.about["labels"]))
        random = np.random.default_rng(seed)
        by_label = [rows[data.labels[rows] == label] for label in np.unique(data.labels[rows])]
        self.rows = np.concatenate([random.permutation(some)[:each] for some in by_label])
        self.labels = data.labels[self.rows]
        self.across = self.within = np.empty((0, 3), np.int64)
        self._labelled = len(by_label) > 1 and max(map(len, by_label)) > 1
        if self._labelled:
            self.across = triplets.category_triplets(self.labels, 2 * SAMPLE, seed=seed)
            self.within = self._golden(seed)

    def _golden(self, seed: int) -> np.ndarray:
        if self._data.about["side"] != 64:
            return np.empty((0, 3), np.int64)
        features = relevance.features(self._data.pixels[self.rows])
        weights = {"colour": 0.5, "texture": 0.5}
        members, matrices = relevance.relevances(features, self.labels, weights=weights)
        _, gap = relevance.thresholds(matrices)
        if gap <= 0:  # two pictures a label: each pair is as alike as any
            return np.empty((0, 3), np.int64)
        return relevance.golden_triplets(members, matrices, gap=gap, each=50, seed=seed)

    def figures(self, network: nn.Module) -> tuple[dict[str, float], dict[str, Any]]:
        """(figures for metrics.jsonl, what the training page shows: triplets hardest first, and distances)."""
        embeddings = self._pixels.embed(network, self.rows, side=self._side)
        if not self._labelled:
            return {"effective_rank": round(triplets.effective_rank(embeddings), 6)}, {"triplets": [], "distances": {}}
        figures = {
            "recall_at_1": retrieval.recall_at_1(embeddings, self.labels),
            "map_at_r": retrieval.map_at_r(embeddings, self.labels),
            "similarity_precision": float(triplets.similarity_precision(embeddings, self.across).mean()),
            "effective_rank": triplets.effective_rank(embeddings),
        }
        if len(self.within):
            within = triplets.similarity_precision(embeddings, self.within)
            figures["similarity_precision_in_class"] = float(within.mean())
        d_positive, d_negative = _squared(embeddings, self.across, 1), _squared(embeddings, self.across, 2)
        edges = np.linspace(0, 4, 61)
        shown = {
            "triplets": self._hardest(d_positive, d_negative),
            "distances": {
                "edges": edges.round(4).tolist(),
                "positive": np.histogram(d_positive, edges)[0].tolist(),
                "negative": np.histogram(d_negative, edges)[0].tolist(),
            },
        }
        return {name: round(value, 6) for name, value in figures.items()}, shown

    def _hardest(self, d_positive: np.ndarray, d_negative: np.ndarray) -> list[dict[str, Any]]:
        """Those the network orders worst, then one of every few of the rest."""
        order = np.argsort(d_negative - d_positive, kind="stable")
        chosen = np.unique(
            np.concatenate([np.arange(SHOWN // 2), np.linspace(0, len(order) - 1, SHOWN // 2).astype(int)])
        )
        return [
            {name: self._named(self.across[i, part]) for part, name in enumerate(("anchor", "positive", "negative"))}
            | {"d_positive": round(float(d_positive[i]), 4), "d_negative": round(float(d_negative[i]), 4)}
            for i in order[chosen]
        ]

    def _named(self, place: int) -> dict[str, Any]:
        row = int(self.rows[place])
        return {"row": row, "picture": f"{row}.jpg", "label": self._data.about["labels"][self.labels[place]]}


def _squared(embeddings: np.ndarray, drawn: np.ndarray, part: int) -> np.ndarray:
    return np.square(embeddings[drawn[:, 0]] - embeddings[drawn[:, part]]).sum(1)
