"""Pairs of a gallery that may be one picture, and which of them are: by hash, coarse colours, then aligned pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline import parallel
from pipeline.errors import SemblanceError
from pipeline.features import alignment, simhash
from pipeline.features.perceptual_hash import perceptual_hash
from pipeline.gallery import neighbours
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images import decoding, opening
from pipeline.records import Progress, Rows

NEIGHBOURS = 10
HASH_BITS = 10  # of 64: two hashes that differ in no more are candidates
# Chosen on the 1,880 photos that benchmarks/duplicates.py does not measure on (`--half tuning`), 11 kinds of edit.
COARSE = 0.5  # lowest of a copy there was 0.59
COLOURS = 0.9
DETAILS = 0.83  # highest of 4,966 pairs of photos there: 0.77; of 98 copies in 100 it is above 0.849, most above 0.9
_AT_ONCE = 2048  # pairs whose colours are compared at a time
_TOGETHER = 128  # pairs that are aligned at a time
_CACHED = 4096  # pictures of 24 KB


@dataclass
class Looks:
    """What is kept of every picture, its plain border taken off. Row i is the gallery's row i."""

    hashes: np.ndarray  # (n, 1) uint64
    coarse: np.ndarray  # (n, 16, 16, 3) uint8
    known: np.ndarray  # (n,) bool: there was a picture to look at
    from_files: int  # had no thumbnail, so the file was read


@dataclass
class Pairs:
    """Rows i < j of m pairs; agreements are -1 where the pixels were too different to be aligned."""

    rows: np.ndarray  # (m, 2)
    nearest: np.ndarray  # (m,) bool: neighbours by embedding
    same: np.ndarray  # (m,) bool: one picture
    details: np.ndarray  # (m,)


class Reader:
    """Opens pictures of a gallery: the thumbnail, or the file where that is missing."""

    def __init__(self, gallery: Gallery, ids: Sequence[str], paths: Sequence[str]) -> None:
        self._gallery, self._ids, self._paths = gallery, ids, paths
        self._folders = roots(gallery)
        self._squares: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}

    def thumbnail(self, row: int) -> Image.Image | None:
        data = self._gallery.thumbnail_data(self._ids[row])
        return opening.open_image(data).image if data else None

    def data(self, row: int) -> bytes | None:
        """The file's bytes; None when it is gone or was changed."""
        try:
            return read_original(self._paths[row], self._ids[row], self._folders, self._gallery.name)
        except SemblanceError:
            return None

    def picture(self, row: int) -> Image.Image | None:
        """The thumbnail, or what would be it; None when neither it nor the file is there."""
        if (small := self.thumbnail(row)) is not None:
            return small
        if (data := self.data(row)) is None:
            return None
        try:
            return opening.open_image(decoding.thumbnail(opening.open_image(data).image)).image
        except SemblanceError:
            return None

    def squares(self, row: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The picture squeezed, its border taken off; and with the border, where it has one."""
        if row not in self._squares:
            if len(self._squares) >= _CACHED:
                self._squares.clear()
            image = self.picture(row)
            assert image is not None, "only known pictures are candidates"
            inner = alignment.without_border(image)
            whole = alignment.squeezed(image) if inner is not image else None
            self._squares[row] = alignment.squeezed(inner), whole
        return self._squares[row]


def look_at(reader: Reader, n: int, progress: Progress) -> Looks:
    hashes, coarse = np.zeros((n, 1), np.uint64), np.zeros((n, 16, 16, 3), np.uint8)
    known, from_files = np.zeros(n, bool), 0

    def look(rows: Sequence[int]) -> list[tuple[int, bool, Image.Image | None]]:
        looked = []
        for row in rows:
            small = reader.thumbnail(row)
            image = small if small is not None else reader.picture(row)
            inner = None if image is None else alignment.without_border(image)
            looked.append((row, small is None and image is not None, inner))
        return looked

    done = 0
    for block in parallel.in_order(range(n), look, chunk=32):
        for row, from_file, image in block:
            if image is not None:
                hashes[row], coarse[row] = perceptual_hash(image), alignment.squeezed(image, 16)
                known[row] = True
                from_files += from_file
        done += len(block)
        progress("looking", done, n)
    return Looks(hashes, coarse, known, from_files)


def nearest_pairs(gallery: Gallery, rows: Rows, progress: Progress) -> np.ndarray:
    """(m, 2) rows i < j of every row and its nearest by score, each pair once; every row is compared."""
    if (k := min(NEIGHBOURS, len(rows) - 1)) < 1:
        return np.zeros((0, 2), np.int64)
    near = neighbours.of_gallery(gallery, rows, k=k, progress=progress).rows.astype(np.int64)  # (n, k)
    asking = np.repeat(np.arange(len(rows)), k)
    return np.unique(np.sort(np.stack([asking, near.ravel()], axis=1), axis=1), axis=0)


def compare_pairs(near: np.ndarray, looks: Looks, reader: Reader, progress: Progress) -> Pairs:
    """Neighbours by embedding (m, 2) and pairs with close hashes, and which of them are one picture."""
    rows = [near]
    done = np.flatnonzero(looks.known)
    for pairs in simhash.near_pairs(looks.hashes[done], most=HASH_BITS):
        rows.append(done[pairs])
    both, first = np.unique(np.concatenate(rows), axis=0, return_index=True)
    close = simhash.hamming(looks.hashes[both[:, 0]], looks.hashes[both[:, 1]]) <= HASH_BITS
    likely = looks.known[both].all(axis=1)
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
    left, right = ([reader.squares(int(row)) for row in side] for side in pairs.T)
    same, details = one_picture(np.stack([square for square, _ in left]), np.stack([square for square, _ in right]))
    # A wall behind a product is a border too, and is taken off one copy more than off another.
    again = np.array([a is not None or b is not None for (_, a), (_, b) in zip(left, right, strict=True)]) & ~same
    if again.any():
        whole = [
            np.stack(
                [plain if plain is not None else inner for (inner, plain), yes in zip(side, again, strict=True) if yes]
            )
            for side in (left, right)
        ]
        same[again], details[again] = one_picture(*whole)
    return same, details


def one_picture(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of pairs of squeezed pictures: (pairs,) bool whether they are one picture, and how far their details agree."""

    colours, details = alignment.agreement(left, right)
    return (colours >= COLOURS) & (details >= DETAILS), details
