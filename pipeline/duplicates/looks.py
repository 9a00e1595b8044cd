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

GREY = "grey"  # how a picture without colour is called beside one with; may stand before an orientation
_SQUARES, _OPENED = 4096, 128  # how many are kept: of 12 to 110 KB; of at most 256 × 256 pixels
_MAX_FRAMES = 16  # of an animation that are compared
_COLOURLESS = 6.0  # levels between the channels of a picture without colour, at most on average
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
        self._squares: dict[tuple[int, int, bool], tuple[np.ndarray, np.ndarray]] = {}
        self._opened: dict[int, tuple[Image.Image, Image.Image]] = {}
        self._frames: dict[int, list[np.ndarray] | None] = {}
        self._shorter = np.zeros(len(ids), np.int32)  # 0 = not seen yet
        self._inside = np.ones(len(ids), np.float32)

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

    def square(self, row: int, side: int, border_off: bool) -> tuple[np.ndarray, np.ndarray]:
        """(side, side, 3) uint8 squeezed; (2, 2) its width and height in pixels, and as shares of the whole picture."""
        key = row, side, border_off and self.has_border(row)
        if key not in self._squares:
            whole, inner = self._whole_and_inner(row)
            image = inner if border_off else whole
            if len(self._squares) >= _SQUARES:
                self._squares.clear()
            sides = np.array([image.size, [image.width / whole.width, image.height / whole.height]], float)
            self._squares[key] = alignment.squeezed(image, side), sides
        return self._squares[key]

    def seen(self, row: int, whole: Image.Image, inner: Image.Image) -> None:
        """Keep the facts of a picture; inner: without its border, the same object where it has none."""
        self._shorter[row] = min(whole.size)
        self._inside[row] = inner.width * inner.height / (whole.width * whole.height)

    def has_border(self, row: int) -> bool:
        return self.inside(row) < 1

    def inside(self, row: int) -> float:
        """The share of the picture inside its plain border; 1 where it has none or cannot be opened."""
        if not self._shorter[row] and self.picture(row) is not None:
            self._whole_and_inner(row)
        return float(self._inside[row])

    def shorter_side(self, row: int) -> int:
        """In pixels, of the thumbnail."""
        if not self._shorter[row]:
            self._whole_and_inner(row)
        return int(self._shorter[row])

    def _whole_and_inner(self, row: int) -> tuple[Image.Image, Image.Image]:
        """The picture, and without its border; the same object where it has none."""
        if row not in self._opened:
            image = self.picture(row)
            assert image is not None, "only known pictures are compared"
            if len(self._opened) >= _OPENED:
                self._opened.pop(next(iter(self._opened)))
            self._opened[row] = image, alignment.without_border(image)
            self.seen(row, *self._opened[row])
        return self._opened[row]

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


def orientation(kind: str) -> str:
    """That of a kind of variant; '' where it lies as it is."""
    turned = kind.removeprefix(GREY).removeprefix(", ")
    return turned if turned in ORIENTATIONS else ""


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
            if image is not None and inner is not None:
                reader.seen(row, image, inner)
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
    grey = known & ((levels.max(axis=3) - levels.min(axis=3)).mean(axis=(1, 2)) < _COLOURLESS)
    return Looks(hashes, coarse, known, flat, grey, turned, from_files)
