"""Hits that show the same places: each cell of the query against those of a hit, by the encoder's maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.plugins import Card
from pipeline.rerank import ByScore, Match, Places, cells_of, merged, unit

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from pipeline.records import Encoder

CARD = Card(
    "the first hits by how well their grid cells match the query's; opens pictures, so it takes longer than the others",
    source="https://arxiv.org/abs/1611.01640",
)
USUAL = ()  # measuring it would encode every picture of a gallery once more (docs/experiments.md)
TOGETHER = 16  # pictures encoded at a time


class Patches(ByScore):
    """A Matcher by local features that a network has anyway."""

    encodes = True

    def __init__(self, depth: int, grid: int, share: float) -> None:
        self.depth, self._grid, self._share = depth, grid, share
        self.kept_as = f"cells {grid}"

    def places(self, encoder: Encoder | None, images: Sequence[Image], *, asking: bool) -> list[Places]:
        """Of a picture asked with also at half the size: what is a whole picture there may be a part of a hit."""
        cells = cells_of(encoder)
        made = [
            places
            for start in range(0, len(images), TOGETHER)
            for places in _of_maps(cells(images[start : start + TOGETHER], self._grid))
        ]
        if not asking or self._grid < 2:
            return made
        halves = [_corner(one) for one in cells([_at_half_size(image) for image in images], 2 * (self._grid // 2))]
        return [_together(whole, half) for whole, half in zip(made, halves, strict=True)]

    def match(self, query: Places, hits: Sequence[Places]) -> list[Match]:
        import numpy as np

        if not hits:
            return []
        asked = query.features.astype(np.float32)  # (c, d)
        theirs = np.stack([one.features for one in hits]).astype(np.float32)  # (n, cells, d)
        mean = theirs.mean(axis=(0, 1)) if len(hits) > 1 else np.concatenate([asked, theirs[0]]).mean(axis=0)
        # what all of these pictures share says nothing of two of them
        cosines = np.einsum("qd,ncd->nqc", unit(asked - mean), unit(theirs - mean), optimize=True)
        return [_match(query, hit, one) for hit, one in zip(hits, cosines, strict=True)]

    def merged(self, scores: np.ndarray, matches: np.ndarray) -> np.ndarray:
        return merged(scores, matches, self._share)


def _match(query: Places, hit: Places, cosines: np.ndarray) -> Match:
    """cosines: (places of the query, places of the hit). The score is the mean of each place's best; pairs are those that
    choose each other."""
    import numpy as np

    best = cosines.argmax(axis=1)
    highest = cosines.max(axis=1)
    mutual = np.flatnonzero((cosines.argmax(axis=0)[best] == np.arange(len(best))) & (highest > 0))
    order = mutual[np.argsort(-highest[mutual], kind="stable")]
    return Match(float(highest.clip(0, 1).mean()), query.boxes[order], hit.boxes[best[order]])


def _of_maps(maps: np.ndarray) -> list[Places]:
    """(n, rows, columns, d) to the places of n pictures, row by row."""
    boxes = _boxes(*maps.shape[1:3])
    return [Places(boxes, _kept(one)) for one in maps]


def _corner(maps: np.ndarray) -> Places:
    """Of (rows, columns, d) over a picture and its rim the quarter where the picture is."""
    part = maps[: max(1, maps.shape[0] // 2), : max(1, maps.shape[1] // 2)]
    return Places(_boxes(*part.shape[:2]), _kept(part))


def _at_half_size(image: Image) -> Image:
    """In the top left quarter, with its mean colour around it."""
    import numpy as np
    from PIL import ImageOps

    small = image.resize((max(1, image.width // 2), max(1, image.height // 2)))
    mean = tuple(int(value) for value in np.asarray(small).reshape(-1, 3).mean(axis=0))
    return ImageOps.expand(small, (0, 0, *small.size), fill=mean)


def _together(whole: Places, half: Places) -> Places:
    import numpy as np

    return Places(np.concatenate([whole.boxes, half.boxes]), np.concatenate([whole.features, half.features]))


def _kept(cells: np.ndarray) -> np.ndarray:
    """(rows, columns, d) to (rows · columns, d) of unit length, in half the bytes."""
    import numpy as np

    return unit(cells.reshape(-1, cells.shape[-1])).astype(np.float16)


def _boxes(rows: int, columns: int) -> np.ndarray:
    """(rows · columns, 4) of the cells, row by row, in shares of the picture."""
    import numpy as np

    down, across = np.divmod(np.arange(rows * columns), columns)
    sides = np.broadcast_to([1 / columns, 1 / rows], (rows * columns, 2))
    return np.concatenate([np.stack([across / columns, down / rows], axis=1), sides], axis=1).astype(np.float32)


def build(*, depth: int = 100, grid: int = 6, share: float = 0.75) -> Patches:
    """depth: hits that are compared, 10 to 500. grid: cells a side, 1 to 16, as far as the encoder has them. share: of the
    match beside the score, 0 to 1. UsageError."""
    if not 10 <= depth <= 500:
        raise UsageError(f"depth={depth}: choose 10 to 500")
    if not 1 <= grid <= 16:
        raise UsageError(f"grid={grid}: choose 1 to 16")
    if not 0 <= share <= 1:
        raise UsageError(f"share={share}: choose 0 to 1")
    return Patches(depth, grid, share)
