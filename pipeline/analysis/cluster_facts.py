"""What is said of clusters: how well each holds together, its pictures to show, its label, its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.kinds.tags import SHOWS

SHOWN = 12  # pictures that stand for a cluster
SHARE, LIFT = 0.5, 1.5  # a metadata value names a cluster when half of it has it, this many times as often as all


@dataclass(frozen=True)
class Purity:
    """label: the most common one; purity: its share among the labelled, None without one; labels: counts, most first."""

    label: str
    purity: float | None
    labels: tuple[tuple[str, int], ...]


def silhouettes(embeddings: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n,) of each picture, -1 to 1: (b - a) / max(a, b), a and b means of 1 - cosine to the own group and the nearest other.

    0 for a group of one, for -1 and where there is one group only (Rousseeuw 1987). Exact for every picture in time n ×
    groups: a mean of cosines is the cosine to a mean, on (n, dim) embeddings of unit length.
    """
    inside = np.flatnonzero(groups >= 0)
    kinds, own = np.unique(groups[inside], return_inverse=True)
    values = np.zeros(len(groups))
    if len(kinds) < 2:
        return values
    sizes = np.bincount(own)
    sums = _sums(embeddings[inside], own)
    rows = np.arange(len(inside))
    scores = embeddings[inside] @ sums.T.astype(embeddings.dtype)  # (n, groups): sums of cosines
    apart = 1 - scores.astype(np.float64) / sizes
    mine = sizes[own]
    squares = np.einsum("nd,nd->n", embeddings[inside], embeddings[inside], dtype=np.float64)
    a = ((mine - 1) - (scores[rows, own] - squares)) / np.maximum(mine - 1, 1)
    apart[rows, own] = np.inf
    b = apart.min(axis=1)
    most = np.maximum(a, b)
    good = (mine > 1) & (most > 1e-6)  # closer is rounding: two groups in one place
    values[inside[good]] = ((b - a)[good] / most[good]).clip(-1, 1)
    return values


def _sums(embeddings: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(groups, dim) float64."""
    order = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[order], np.arange(own.max() + 1))
    return np.add.reduceat(embeddings[order], starts, axis=0, dtype=np.float64)


def typical(embeddings: np.ndarray, members: np.ndarray, *, count: int = SHOWN) -> np.ndarray:
    """Rows to show for a group, its medoid first: the picture with the highest mean score to the members.

    The others lead evenly from it to the middle of the group, so that they show its breadth and not twelve copies.
    """
    centre = embeddings[members].mean(axis=0, dtype=np.float64)
    scores = (embeddings[members] @ centre).round(9)  # what differs by rounding ties, and ties go by row
    order = members[np.argsort(-scores, kind="stable")]
    reach = max(min(count, len(order)), len(order) // 2)
    return order[np.unique(np.linspace(0, reach - 1, min(count, reach)).round().astype(int))]


def purity(labels: Sequence[str]) -> Purity:
    """Of the labels of a group's members; '' is none. Equal counts go by name."""
    counts = sorted(Counter(label for label in labels if label).items(), key=lambda one: (-one[1], one[0]))
    total = sum(count for _, count in counts)
    return Purity(counts[0][0] if counts else "", counts[0][1] / total if total else None, tuple(counts))


def telling(members: Sequence[dict[str, str]], everywhere: Counter[tuple[str, str]], n: int) -> str:
    """`field: value`, or of what pictures show the value alone, that tells these members from all n pictures, '' when none does.

    Of values that at least SHARE of the members have and that are LIFT times as common among them as in the gallery,
    the one with the highest share × log(lift).
    """
    counts = Counter(pair for metadata in members for pair in metadata.items() if pair[1])
    best, most = "", 0.0
    for (field, value), count in sorted(counts.items()):
        share = count / len(members)
        lift = share / (everywhere[field, value] / n)
        if share >= SHARE and lift >= LIFT and share * np.log(lift) > most:
            best, most = value if field == SHOWS else f"{field}: {value}", float(share * np.log(lift))
    return best


def numbered(names: Sequence[str]) -> list[str]:
    """Each name once: shoes, shoes 2, shoes 3; '' becomes group."""
    taken, unique_names = set(names) - {""}, list[str]()
    used: set[str] = set()
    for name in names:
        number, unique = 1, name or "group 1"
        while unique in used or (number > 1 and unique in taken) or (not name and unique in taken):
            number += 1
            unique = f"{name or 'group'} {number}"
        used.add(unique)
        unique_names.append(unique)
    return unique_names
