"""Colour and texture of every picture of a gallery, as the golden feature has them: what a search by aspect goes by.

They are the same under every encoder and kept beside the maps, a byte a number. A picture's never change, so only new
pictures are looked at.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import parallel
from pipeline.features import relevance
from pipeline.features.appearance import squashed, unit
from pipeline.files import atomic
from pipeline.gallery import calibration, small_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import Roots, roots
from pipeline.records import Progress, Rows, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

LOOKS = ("colour", "texture")
FEW = 300  # pictures that are looked at within half a second
_PAIRS = 20_000
_TOGETHER = 256  # rows that are decoded at a time: they stay in the processor's cache
_DECODED = (np.arange(256, dtype=np.float32) / 255) ** 2  # more steps for small numbers, which most are
DIMS = {"colour": 900, "texture": 512}  # of relevance.features


@dataclass(frozen=True)
class Appearances:
    """Row i looks like row i of the coded features; without removed pictures and those that nothing is known of.

    quantiles: of each feature over random pairs, as pipeline.gallery.calibration keeps the score's.
    """

    rows: Rows
    coded: dict[str, np.ndarray]  # (n, dim) uint8
    quantiles: dict[str, list[float]]
    unknown: int  # pictures with neither thumbnail nor file

    @functools.cached_property
    def rows_of(self) -> dict[str, int]:
        return {picture: row for row, picture in enumerate(self.rows.table["id"])}

    def features(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """(len(rows), dim) of unit length; a plain picture's texture is zero."""
        return unit(_DECODED[self.coded[name][rows]])

    def cosines(self, name: str, asked: np.ndarray) -> np.ndarray:
        """(n,) of every picture to a feature (dim,), as relevance.cosines has them."""
        found = np.empty(len(self.rows), np.float32)
        for start in range(0, len(found), _TOGETHER):
            here = slice(start, start + _TOGETHER)
            found[here] = _DECODED[self.coded[name][here]] @ asked
        lengths = self._lengths[name]
        if not asked.any():  # plain, as those without a length are
            return np.where(lengths > 0, 0, 1).astype(np.float32)
        return np.clip(found / np.where(lengths > 0, lengths, 1), -1, 1).astype(np.float32)

    @functools.cached_property
    def _lengths(self) -> dict[str, np.ndarray]:
        """(n,) of the decoded features; 0 of a plain picture's texture."""
        return {
            name: np.concatenate(
                [
                    np.linalg.norm(_DECODED[rows[at : at + _TOGETHER]], axis=1)
                    for at in range(0, max(1, len(rows)), _TOGETHER)
                ]
            )
            for name, rows in self.coded.items()
        }


def version(gallery: Gallery) -> int:
    """Changes when more pictures were looked at."""
    try:
        return _file(gallery).stat().st_mtime_ns
    except OSError:
        return 0


def missing(gallery: Gallery) -> int:
    """How many pictures were not looked at yet."""
    return len(gallery.ids() - gallery.removed() - set(_read(_file(gallery)).ids))


def of_gallery(gallery: Gallery, *, progress: Progress = silent, again: bool = False) -> Appearances:
    """Those that are kept, and of new pictures made from their thumbnails; 1.3 ms each on one core. With the embeddings.

    again: look once more for pictures that had neither thumbnail nor file.
    """
    rows, kept = gallery.rows(), _read(_file(gallery))
    table = rows.table
    ids = table["id"].tolist()
    known = {picture: row for row, picture in enumerate(kept.ids)}
    if again:
        seen = _seen(kept.coded)
        known = {picture: row for picture, row in known.items() if seen[row]}
    new = [row for row, picture in enumerate(ids) if picture not in known]
    if new:
        fresh = _look_at(gallery, table.iloc[new], progress)
        places = np.array([known[picture] for picture in ids if picture in known], int)
        order = [picture for picture in ids if picture in known] + [ids[row] for row in new]
        coded = {name: np.concatenate([kept.coded[name][places], fresh[name]]) for name in LOOKS}
        kept = _Kept(order, coded, {name: _quantiles(coded[name]) for name in LOOKS})
        _write(_file(gallery), kept)
        known = {picture: row for row, picture in enumerate(kept.ids)}
    places = np.array([known[picture] for picture in ids], int)
    coded = {name: features[places] for name, features in kept.coded.items()}
    seen = _seen(coded)
    if not seen.all():
        rows, coded = rows.take(seen), {name: features[seen] for name, features in coded.items()}
    return Appearances(rows, coded, kept.quantiles, int((~seen).sum()))


def square(image: Image) -> np.ndarray:
    """An RGB picture as (64, 64, 3) uint8."""
    return squashed(small_pictures.small(image))


def coded(features: np.ndarray) -> np.ndarray:
    """Rows of numbers from 0 to 1 as uint8; cosines are right to 0.003."""
    return np.round(255 * np.sqrt(features)).astype(np.uint8)


@dataclass(frozen=True)
class _Kept:
    """What the file holds: rows of zeros are of pictures that could not be opened."""

    ids: list[str]
    coded: dict[str, np.ndarray]
    quantiles: dict[str, list[float]]


def _file(gallery: Gallery) -> Path:
    return gallery.root / "projections" / "appearances.npz"


def _look_at(gallery: Gallery, table: pd.DataFrame, progress: Progress) -> dict[str, np.ndarray]:
    rows, folders = table.to_dict("records"), roots(gallery)

    def look(some: Sequence[dict[str, str]]) -> dict[str, np.ndarray]:
        squares = [_square(gallery, row, folders) for row in some]
        seen = np.array([square is not None for square in squares])
        made = {name: np.zeros((len(some), dim), np.uint8) for name, dim in DIMS.items()}
        if seen.any():
            found = relevance.features(np.stack([square for square in squares if square is not None]))
            for name in LOOKS:
                made[name][seen] = coded(found[name])
        return made

    made = {name: np.zeros((len(rows), dim), np.uint8) for name, dim in DIMS.items()}
    done = 0
    for block in parallel.in_order(rows, look, chunk=32):
        count = len(block["colour"])
        for name in LOOKS:
            made[name][done : done + count] = block[name]
        done += count
        progress("looking", done, len(rows))
    return made


def _square(gallery: Gallery, row: dict[str, str], folders: Roots) -> np.ndarray | None:
    """(64, 64, 3) uint8; None of a picture with neither thumbnail nor file."""
    image = small_pictures.of_row(gallery, row, folders)
    return None if image is None else squashed(image)


def _seen(coded: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) whether there was a picture, which always has some colour."""
    return np.asarray(coded["colour"].any(axis=1))


def _quantiles(rows: np.ndarray) -> list[float]:
    """Of the cosines of random pairs; [] with fewer than two pictures that are known."""
    rows = rows[rows.any(axis=1)]
    if (n := len(rows)) < 2:
        return []
    random = np.random.default_rng(0)
    first = random.integers(n, size=_PAIRS)
    second = (first + random.integers(1, n, _PAIRS)) % n  # never the picture itself
    cosines = [
        np.einsum("nd,nd->n", *(unit(_DECODED[rows[of[at : at + 256]]]) for of in (first, second)))
        for at in range(0, _PAIRS, 256)
    ]
    return [round(float(q), 5) for q in np.quantile(np.concatenate(cosines), np.linspace(0, 1, calibration.STEPS + 1))]


def _read(file: Path) -> _Kept:
    """Nothing when there is none, or the file is damaged: pictures are looked at again."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            kept = _Kept(
                held["ids"].astype(str).tolist(),
                {name: held[name] for name in LOOKS},
                {name: held[f"{name}_quantiles"].tolist() for name in LOOKS},
            )
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        kept = None
    shapes = {name: (len(kept.ids), dim) for name, dim in DIMS.items()} if kept else {}
    if kept and all(kept.coded[name].shape == shape for name, shape in shapes.items()):
        return kept
    return _Kept([], {name: np.zeros((0, dim), np.uint8) for name, dim in DIMS.items()}, {name: [] for name in LOOKS})


def _write(file: Path, kept: _Kept) -> None:
    file.parent.mkdir(exist_ok=True)
    quantiles = {f"{name}_quantiles": np.array(of) for name, of in kept.quantiles.items()}
    with atomic.replacing(file) as temporary, temporary.open("wb") as out:
        np.savez(out, ids=np.array(kept.ids, "S"), **kept.coded, **quantiles)  # type: ignore[arg-type]
