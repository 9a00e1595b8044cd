"""Bits whose Hamming distance estimates an angle, and what Hamming distances say about pairs.

A bit is the side of a random hyperplane on which an embedding lies; two embeddings differ in it with probability
angle / pi (Charikar, Similarity Estimation Techniques from Rounding Algorithms, 2002). Hashes are rows of 64-bit words.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.errors import UsageError

_ROWS = 4096  # embeddings that are multiplied at a time
_WORDS_AT_ONCE = 1 << 20  # 8 MB


def signatures(embeddings: np.ndarray, *, bits: int = 64, seed: int = 0) -> np.ndarray:
    """(n, dim) to (n, bits / 64) uint64; the same seed gives the same hyperplanes. bits: a multiple of 64."""
    if bits < 64 or bits % 64:
        raise UsageError(f"{bits} bits fill no 64-bit words; choose 64, 128, 192, …")
    planes = np.random.default_rng(seed).standard_normal((embeddings.shape[1], bits)).astype(np.float32)
    found = np.empty((len(embeddings), bits // 64), np.uint64)
    for start in range(0, len(embeddings), _ROWS):
        sides = embeddings[start : start + _ROWS] @ planes > 0  # (rows, bits)
        found[start : start + _ROWS] = np.packbits(sides, axis=1).view(">u8")
    return found


def angle(distance: float, *, bits: int = 64) -> float:
    """The angle in radians that so many different bits stand for."""
    return float(np.pi * distance / bits)


def hamming(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How many bits differ, row by row: (…, words) and (…, words) to (…), broadcast."""
    return np.bitwise_count(left ^ right).sum(axis=-1, dtype=np.int64)


def near_pairs(hashes: np.ndarray, *, most: int, partners: int = 20) -> Iterator[np.ndarray]:
    """Blocks of (m, 2) rows i < j that differ in at most `most` bits; every pair is compared, memory is bounded.

    partners: a row with more close ones after it gives only its closest, so that a thousand equal rows make a chain
    and not half a million pairs.
    """
    n, words = hashes.shape
    step = max(1, _WORDS_AT_ONCE // max(1, n * words))
    for start in range(0, n, step):
        block = np.arange(start, min(start + step, n))
        distances = hamming(hashes[block, None], hashes[None, start:])  # (rows, n - start)
        distances[np.arange(n - start) <= (block - start)[:, None]] = 64 * words + 1
        first, second = np.nonzero(distances <= most)
        for crowded in np.flatnonzero(np.bincount(first, minlength=len(block)) > partners):
            mine = np.flatnonzero(first == crowded)
            order = np.argsort(distances[crowded, second[mine]], kind="stable")
            keep = np.ones(len(first), bool)
            keep[mine[order[partners:]]] = False
            first, second = first[keep], second[keep]
        yield np.stack([first + start, second + start], axis=1)


def histogram(hashes: np.ndarray, pairs: np.ndarray) -> list[int]:
    """How many of the (m, 2) pairs of rows differ in 0, 1, … all bits."""
    bits = 64 * hashes.shape[1]
    if not len(pairs):
        return [0] * (bits + 1)
    return np.bincount(hamming(hashes[pairs[:, 0]], hashes[pairs[:, 1]]), minlength=bits + 1).tolist()
