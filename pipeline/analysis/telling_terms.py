"""Terms that tell some pictures from the whole gallery, by a test that few and rare ones cannot pass by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.analysis.carried_terms import Carried, Term

SURE = 10.83  # of the statistic below: one term in a thousand reaches it by chance (chi squared, 1 degree of freedom)
FEW = 4  # pictures up to which no test can be passed: there a term counts when all of them carry it


@dataclass(frozen=True)
class Shared:
    """count of `of` pictures carry the term. share: 0 to 1. lift: how many times as often as in the gallery, above 1."""

    term: Term
    count: int
    of: int
    lift: float

    @property
    def share(self) -> float:
        return self.count / self.of


def telling(carried: Carried, rows: np.ndarray) -> list[Shared]:
    """Terms more common among these rows (q,) than in the gallery, the most telling first, equal ones by text.

    Ordered by the log-likelihood ratio (Dunning 1993), which weighs lift by how many pictures bear it out: two pictures
    with a rare value say less than half of all with a frequent one. Terms that a choice of pictures at random might as
    well have are left out, and so are those that every picture of the gallery carries.
    """
    n, q = len(carried.ids), len(rows)
    numbers, counts = np.unique(carried.pairs(rows)[1], return_counts=True)
    rates = carried.counts[numbers] / max(n, 1)
    values = _ratio(counts, q, rates)
    enough = (counts == q) if q <= FEW else (values >= SURE)
    shared = [
        (-float(value), Shared(carried.terms[number], int(count), q, float(count / q / rate)))
        for number, count, rate, value, good in zip(numbers, counts, rates, values, enough, strict=True)
        if good and count / q > rate
    ]
    return [one for _, one in sorted(shared, key=lambda pair: (pair[0], pair[1].term.text))]


def _ratio(counts: np.ndarray, q: int, rates: np.ndarray) -> np.ndarray:
    """(terms,) 2 × log of how much likelier the counts are under their own rates than under the gallery's."""
    rest = q - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = counts * np.log(counts / (q * rates))
        outside = np.where(rest > 0, rest * np.log(rest / (q * (1 - rates))), 0.0)
    return 2 * (inside + np.where(np.isfinite(outside), outside, 0.0))
