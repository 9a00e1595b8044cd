"""What is kept of every picture of a gallery while duplicates are looked for, and how its pictures are opened."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline import parallel
from pipeline.errors import SemblanceError
from pipeline.features import alignment
from pipeline.features.perceptual_hash import ORIENTATIONS, perceptual_hash, turned_hashes
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images import decoding, opening
from pipeline.records import Progress

_CACHED = 4096  # pictures of 24 KB
_MAX_FRAMES = 16  # of an animation that are compared
_GREY = 6.0  # levels between the channels of a picture without colour, at most on average
_MOSTLY_MOVES = (".gif", ".apng", ".webp")  # whose frames count also when the file is gone


@dataclass
class Looks:
    """What is kept of every picture, its plain border taken off. Row i is the gallery's row i."""

    hashes: np.ndarray  # (n, 1) uint64
    coarse: np.ndarray  # (n, 16, 16, 3) uint8
    known: np.ndarray  # (n,) bool: there was a picture to look at
    flat: np.ndarray  # (n,) bool: it has too little contrast to be compared
    grey: np.ndarray  # (n,) bool: it has no colour
    turned: np.ndarray  # (n, orientations) uint64: hashes of it in each of ORIENTATIONS
    from_files: int  # had no thumbnail, so the file was read


class Reader:
    """Opens pictures of a gallery: the thumbnail, or the file where that is missing."""

    def __init__(self, gallery: Gallery, ids: Sequence[str], paths: Sequence[str]) -> None:
        self._gallery, self._ids, self._paths = gallery, ids, paths
        self._folders = roots(gallery)
        self._squares: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._frames: dict[int, list[np.ndarray] | None] = {}

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

    def shorter_side(self, row: int) -> int:
        """In pixels, of the thumbnail."""
        image = self.picture(row)
        return min(image.size) if image is not None else 0

    def frames(self, row: int) -> list[np.ndarray] | None:
        """Squeezed frames of an animation, at most 16 of them, evenly spread; [] of a still picture; None = unknown."""
        if row not in self._frames:
            self._frames[row] = self._read_frames(row)
        return self._frames[row]

    def _read_frames(self, row: int) -> list[np.ndarray] | None:
        name = self._paths[row].lower()
        if name.endswith((".jpg", ".jpeg")):
            return []
        if (data := self.data(row)) is None:
            return None if name.endswith(_MOSTLY_MOVES) else []
        try:
            with Image.open(io.BytesIO(data)) as image:
                count = getattr(image, "n_frames", 1)
                if count < 2:
                    return []
                found = []
                for number in np.unique(np.linspace(0, count - 1, _MAX_FRAMES).astype(int)).tolist():
                    image.seek(number)
                    found.append(alignment.squeezed(image.convert("RGBA").convert("RGB")))
                return found
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None


def look_at(reader: Reader, n: int, progress: Progress) -> Looks:
    hashes, coarse = np.zeros((n, 1), np.uint64), np.zeros((n, 16, 16, 3), np.uint8)
    turned = np.zeros((n, len(ORIENTATIONS)), np.uint64)
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
                turned[row] = turned_hashes(image)
                known[row] = True
                from_files += from_file
        done += len(block)
        progress("looking", done, n)
    levels = coarse.astype(np.float32)
    flat = known & (levels.mean(axis=3).std(axis=(1, 2)) < alignment.FLAT / 2)
    grey = known & ((levels.max(axis=3) - levels.min(axis=3)).mean(axis=(1, 2)) < _GREY)
    return Looks(hashes, coarse, known, flat, grey, turned, from_files)
