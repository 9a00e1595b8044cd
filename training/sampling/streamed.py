"""The paper's triplets of a dataset larger than memory: it is read in parts, and reservoirs hold what is drawn from for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.records import Progress, silent
from training.sampling.reservoirs import Reservoirs
from training.sampling.triplets import check_law

SAMPLE = 256  # pictures of a label that all others of it are compared with, for its scale and their totals
PAIRS = 1_000  # relevances of a label that T_p and T_r are taken from
PART = 1_024  # pictures read at a time
REFILL = 16  # triplets for each picture kept, before the reservoirs are filled anew

Features = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Pictures (m,) to their golden feature, unit rows (m, dim) by name."""


class StreamedSampler:
    """Draws as `TripletSampler` does, as far as a reservoir a label follows eq. 6; see `Reservoirs`.

    Held: a number a picture, its total relevance, estimated from at most SAMPLE others of its label, and for each label
    the relevances among the `capacity` pictures that its reservoir keeps. Every picture is read once to begin with,
    and those kept again with each refill.
    """

    def __init__(
        self,
        features: Features,
        members: Sequence[np.ndarray],
        *,
        capacity: int,
        out_of_class: float,
        seed: int,
        weights: Mapping[str, float] = relevance.WEIGHTS,
        progress: Progress = silent,
    ) -> None:
        """members: per label (n_c,) pictures. Raises UsageError where no label has two."""
        assert capacity > 1
        self._features, self._weights, self._capacity = features, weights, capacity
        self._members = [pictures for pictures in members if len(pictures) > 1]
        if not self._members:
            raise UsageError("no label has two pictures, so there is no relevance; choose a dataset with labels")
        check_law(out_of_class, 1.0, n_labels=sum(len(pictures) > 0 for pictures in members))
        self.out_of_class, self._seed, self._filled = out_of_class, seed, -1
        total, done = sum(map(len, self._members)), 0
        self._scales, self._totals, pooled = [], [], []
        for number, pictures in enumerate(self._members):
            random = np.random.default_rng((seed, number))
            sample = np.sort(random.choice(pictures, min(SAMPLE, len(pictures)), replace=False))
            known = features(sample)
            self._scales.append(relevance.scale(known, weights=weights))
            pairs = relevance.between(known, known, self._scales[-1], weights=weights)[~np.eye(len(sample), dtype=bool)]
            pooled.append(random.choice(pairs, min(PAIRS, len(pairs)), replace=False))
            totals = []
            for part in np.array_split(pictures, -(-len(pictures) // PART)):
                r = relevance.between(features(part), known, self._scales[-1], weights=weights)
                itself = part[:, None] == sample
                others = len(sample) - itself.sum(axis=1)
                totals.append(np.where(itself, 0, r).sum(axis=1) / others * (len(pictures) - 1))
                done += len(part)
                progress("golden feature", done, total)
            self._totals.append(np.concatenate(totals))
        self.cap, self.gap = relevance.thresholds_of(np.concatenate(pooled))

    def sample(self, n: int, *, seed: tuple[int, int]) -> np.ndarray:
        """(n, 3) pictures: query, positive, negative; a function of n and of seed, (seed, step).

        Raises UsageError when nearly every triplet is given up.
        """
        kept = sum(min(self._capacity, len(pictures)) for pictures in self._members)
        self._fill(seed[1] * n // (REFILL * kept))
        return self._reservoirs.sample(
            n, self._relevance, out_of_class=self.out_of_class, cap=self.cap, gap=self.gap, seed=seed
        )

    def _fill(self, number: int) -> None:
        """The reservoirs of that number, unless they are the ones at hand."""
        if number == self._filled:
            return
        self._reservoirs = Reservoirs(self._capacity, seed=(self._seed, number))
        order, labels, places, flat = [], [], [], []
        for label, pictures in enumerate(self._members):
            self._reservoirs.add(label, pictures, self._totals[label])
            kept = np.sort(self._reservoirs.kept(label))
            if len(kept):
                known = self._features(kept)
                r = relevance.between(known, known, self._scales[label], weights=self._weights)
                flat.append(r.astype(np.float16).ravel())
                order.append(kept)
                labels.append(np.full(len(kept), len(flat) - 1))
                places.append(np.arange(len(kept)))
        widths = np.array([len(part) for part in order])
        starts = np.cumsum([0, *(widths[:-1] ** 2)])
        pictures, label, place = (np.concatenate(parts) for parts in (order, labels, places))
        by_picture = np.argsort(pictures)
        self._kept, self._flat = pictures[by_picture], np.concatenate(flat)
        self._rows = (starts[label] + place * widths[label])[by_picture]  # where a picture's row of relevances begins
        self._columns = place[by_picture]
        self._filled = number

    def _relevance(self, pictures: np.ndarray, others: np.ndarray) -> np.ndarray:
        rows, columns = self._rows[np.searchsorted(self._kept, pictures)], np.searchsorted(self._kept, others)
        return self._flat[rows + self._columns[columns]].astype(np.float32)
