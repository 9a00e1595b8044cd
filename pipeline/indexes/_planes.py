"""Which side of random hyperplanes a row lies on, as bits and as packed words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ROWS = 8192  # multiplied at a time


@dataclass(frozen=True)
class Planes:
    """axes: (dim, bits) float32, unit columns. cuts: (bits,) float32: where along its axis each plane stands."""

    axes: np.ndarray
    cuts: np.ndarray

    def margins(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, dim) to (n, bits) float32: the signed distance to each plane; above 0 is a 1."""
        return embeddings @ self.axes - self.cuts


def drawn(embeddings: np.ndarray, *, bits: int, seed: int, thresholds: bool) -> Planes:
    """Planes that stand at right angles to one another, as many at a time as there are dimensions.

    Such bits estimate an angle with less variance than independent ones (Ji et al., Super-Bit LSH, 2012).
    thresholds: each plane halves the rows, else it goes through the origin.
    """
    random, dim = np.random.default_rng(seed), embeddings.shape[1]
    groups = [np.linalg.qr(random.standard_normal((dim, dim)))[0] for _ in range(-(-bits // dim))]
    axes = np.concatenate(groups, axis=1)[:, :bits] * random.choice([-1.0, 1.0], bits)
    axes = np.ascontiguousarray(axes, np.float32)
    sample = embeddings[random.choice(len(embeddings), min(len(embeddings), 20_000), replace=False)]
    cuts = np.median(sample @ axes, axis=0) if thresholds else np.zeros(bits)
    return Planes(axes, cuts.astype(np.float32))


def words(planes: Planes, embeddings: np.ndarray) -> np.ndarray:
    """(ceil(bits / 64), n) uint64, a word of every row after another: what Hamming distances are counted on."""
    bits = planes.axes.shape[1]
    found = np.zeros((-(-bits // 64), len(embeddings)), np.uint64)
    for start in range(0, len(embeddings), _ROWS):
        sides = planes.margins(embeddings[start : start + _ROWS]) > 0
        padded = np.zeros((len(sides), 64 * len(found)), bool)
        padded[:, :bits] = sides
        found[:, start : start + _ROWS] = np.packbits(padded, axis=1).view(np.uint64).T
    return found


def hamming(held: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """(words, n) and (words,) to (n,) uint16: how many bits differ."""
    distances = np.zeros(held.shape[1], np.uint16)
    for word, other in zip(held, queries, strict=True):
        distances += np.bitwise_count(word ^ other)
    return distances


def closest(distances: np.ndarray, count: int) -> np.ndarray:
    """Positions of the `count` smallest, all when there are fewer; of equal ones the first."""
    if len(distances) <= count:
        return np.arange(len(distances))
    limit = np.partition(distances, count - 1)[count - 1]
    below = np.flatnonzero(distances < limit)
    return np.concatenate([below, np.flatnonzero(distances == limit)[: count - len(below)]])
