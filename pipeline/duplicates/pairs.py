"""Pairs of a gallery that may be one picture, and which of them are: by hash, coarse colours, then aligned pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.duplicates.looks import Looks, Reader
from pipeline.features import alignment, simhash
from pipeline.gallery import neighbours
from pipeline.gallery.gallery import Gallery
from pipeline.records import Progress, Rows

NEIGHBOURS = 10
HASH_BITS = 10  # of 64: two hashes that differ in no more are candidates
# Chosen on the 1,880 photos that benchmarks/duplicates.py does not measure on (`--half tuning`), 11 kinds of edit.
COARSE = 0.5  # lowest of a copy there was 0.59
COLOURS = 0.9
DETAILS = 0.83  # highest of 4,966 pairs of photos there: 0.77; of 98 copies in 100 it is above 0.849, most above 0.9
_AT_ONCE = 2048  # pairs whose colours are compared at a time
_TOGETHER = 128  # pairs that are aligned at a time
_TURNED = 0.85  # coarse agreement of neighbours once one is turned or mirrored
_MAX_TURNED = 30_000  # pictures up to which every pair of hashes is compared in every orientation too


@dataclass
class Pairs:
    """Rows i < j of m pairs; agreements are -1 where the pixels were too different to be aligned."""

    rows: np.ndarray  # (m, 2)
    nearest: np.ndarray  # (m,) bool: neighbours by embedding
    same: np.ndarray  # (m,) bool: one picture
    details: np.ndarray  # (m,)


def nearest_pairs(gallery: Gallery, rows: Rows, progress: Progress) -> tuple[np.ndarray, str]:
    """(m, 2) rows i < j of every row and its nearest by score, each pair once; and a note where not all are exact."""
    if (k := min(NEIGHBOURS, len(rows) - 1)) < 1:
        return np.zeros((0, 2), np.int64), ""
    found = neighbours.of_gallery(gallery, rows, k=k, progress=progress)
    asking = np.repeat(np.arange(len(rows)), k)
    pairs = np.stack([asking, found.rows.ravel().astype(np.int64)], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0), found.note


def compare_pairs(near: np.ndarray, looks: Looks, reader: Reader, progress: Progress) -> Pairs:
    """Neighbours by embedding (m, 2) and pairs with close hashes, and which of them are one picture."""
    rows = [near]
    done = np.flatnonzero(looks.known)
    for pairs in simhash.near_pairs(looks.hashes[done], most=HASH_BITS):
        rows.append(done[pairs])
    both, first = np.unique(np.concatenate(rows), axis=0, return_index=True)
    close = simhash.hamming(looks.hashes[both[:, 0]], looks.hashes[both[:, 1]]) <= HASH_BITS
    likely = (
        looks.known[both].all(axis=1)
        & ~looks.flat[both].any(axis=1)
        & (looks.grey[both[:, 0]] == looks.grey[both[:, 1]])
    )
    for start in range(0, len(both), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        alike = alignment.coarse_agreement(looks.coarse[both[some, 0]], looks.coarse[both[some, 1]])
        likely[some] &= (alike >= COARSE) | close[some]
    same, details = np.zeros(len(both), bool), np.full(len(both), -1.0)
    chosen = np.flatnonzero(likely)
    for start in range(0, len(chosen), _TOGETHER):
        here = chosen[start : start + _TOGETHER]
        same[here], details[here] = _judged(both[here], reader)
        progress("comparing", start + len(here), len(chosen))
    return Pairs(both, first < len(near), same, details)


def _judged(pairs: np.ndarray, reader: Reader) -> tuple[np.ndarray, np.ndarray]:
    same, details = one_picture(*(_squares(reader, rows, border_off=True) for rows in pairs.T))
    # A wall behind a product is a border too, and is taken off one copy more than off another.
    again = np.array([any(reader.has_border(row) for row in pair) for pair in pairs.tolist()]) & ~same
    if again.any():
        same[again], details[again] = one_picture(
            *(_squares(reader, rows, border_off=False) for rows in pairs[again].T)
        )
    return same, details


def _squares(reader: Reader, rows: np.ndarray, *, border_off: bool) -> np.ndarray:
    return np.stack([reader.square(row, alignment.SIDE, border_off)[0] for row in rows.tolist()])


def one_picture(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of pairs of squeezed pictures: (pairs,) bool whether they are one picture, and how far their details agree."""

    colours, details = alignment.agreement(left, right)
    return (colours >= COLOURS) & (details >= DETAILS), details
