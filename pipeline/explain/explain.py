"""Why two pictures score as they do: which places carry the score, and how alike colour, texture and meaning are.

Occlusion (Zeiler and Fergus 2014, section 3.2): hide a place, encode again, and see how much of the score is lost. It
asks nothing of the encoder but `preprocess` and `encode`, so a histogram is explained as a network is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.features.appearance import squashed
from pipeline.gallery import calibration
from pipeline.gallery.gallery import Gallery
from pipeline.images import decoding, opening
from pipeline.parallel import leave_cores_free
from pipeline.records import Encoder

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = ("colour", "texture", "semantic")
MAX_GRID = 16
TOGETHER = 16  # pictures encoded at a time
OVERLAP = 2.0  # a window is this many cells a side, so that neighbours share pixels and one map cell is no accident


@dataclass(frozen=True)
class Explanation:
    """heat_query, heat_hit: (grid, grid) float32 from the top left, the score lost when the place is hidden.

    Below 0 the place speaks against the score. parts: cosine in [-1, 1] by PARTS; `semantic` is the encoder's score.
    percentiles, usual: share of random pairs that are less alike, in percent, and the cosine of the middle one, for the
    parts whose calibration was given. A cosine alone says little: most photos share colours.
    """

    score: float
    heat_query: np.ndarray
    heat_hit: np.ndarray
    parts: dict[str, float]
    percentiles: dict[str, float] = field(default_factory=dict)
    usual: dict[str, float] = field(default_factory=dict)

    @property
    def most(self) -> float:
        """The most that hiding one place loses, in either picture; 0 when no single place carries anything."""
        return max(0.0, float(self.heat_query.max()), float(self.heat_hit.max()))


def explain(
    encoder: Encoder,
    query: Image,
    hit: Image,
    *,
    grid: int = 7,
    calibrations: Mapping[str, Sequence[float]] | None = None,
) -> Explanation:
    """Two RGB pictures of any shape. A place is a window twice as large as a cell, filled with the picture's mean colour.

    Places are hidden in the picture itself, before the encoder resizes and crops: what it never sees has heat 0.
    grid: cells a side, 1 to 16; 1 hides everything. calibrations: quantiles by part (`calibrations_of`). Swapping the
    two pictures swaps the maps. Costs 2 · grid² + 2 encodings. Raises UsageError.
    """
    if not 1 <= grid <= MAX_GRID:
        raise UsageError(f"grid={grid} is not between 1 and {MAX_GRID} cells a side")
    leave_cores_free()
    query, hit = working_size(query), working_size(hit)
    queries, hits = _encoded(encoder, query, grid), _encoded(encoder, hit, grid)  # (1 + grid², dim)
    score = float(queries[0] @ hits[0])
    parts = _golden(query, hit) | {"semantic": score}
    quantiles_of = {name: quantiles for name, quantiles in (calibrations or {}).items() if len(quantiles)}
    return Explanation(
        score,
        (score - queries[1:] @ hits[0]).astype(np.float32).reshape(grid, grid),
        (score - hits[1:] @ queries[0]).astype(np.float32).reshape(grid, grid),
        parts,
        {name: calibration.percentile(parts[name], quantiles) for name, quantiles in quantiles_of.items()},
        {name: float(quantiles[len(quantiles) // 2]) for name, quantiles in quantiles_of.items()},
    )


def calibrations_of(gallery: Gallery, *, pictures: int = 200, seed: int = 0) -> dict[str, list[float]]:
    """Quantiles of each part over pairs of this gallery, as pipeline.gallery.calibration keeps the score's.

    Colour and texture come from all pairs among so many random thumbnails; parts that cannot be known are left out.
    """
    found = {"semantic": list(gallery.encoder()["calibration"])} if gallery.encoder()["calibration"] else {}
    ids = sorted(gallery.ids() - gallery.removed())
    drawn = np.random.default_rng(seed).permutation(len(ids))[:pictures]
    thumbnails = [data for i in drawn if (data := gallery.thumbnail_data(ids[i]))]
    if len(thumbnails) > 1:
        small = np.stack([squashed(opening.open_image(data).image) for data in thumbnails])
        steps = np.linspace(0, 1, calibration.STEPS + 1)
        for name, rows in relevance.features(small).items():
            pairs = relevance.cosines(rows, rows)[np.triu_indices(len(rows), 1)]
            found[name] = np.quantile(pairs, steps).tolist()
    return found


def as_json(explanation: Explanation) -> dict[str, Any]:
    """The heat maps row by row from the top."""
    return {
        "score": round(explanation.score, 6),
        "parts": {name: round(value, 6) for name, value in explanation.parts.items()},
        "percentiles": explanation.percentiles,
        "usual": explanation.usual,
        "heat_query": explanation.heat_query.astype(float).round(6).tolist(),
        "heat_hit": explanation.heat_hit.astype(float).round(6).tolist(),
    }


def working_size(image: Image) -> Image:
    """As small as open_image gives a JPEG: hiding 49 places in 50 megapixels takes a minute and changes no score.

    A picture of that size comes back as it is.
    """
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return rgb.reduce(max(1, min(rgb.size) // decoding.WORKING_SIDE))


def _encoded(encoder: Encoder, image: Image, grid: int) -> np.ndarray:
    """(1 + grid², dim): the picture, then with each place hidden."""
    inputs = [encoder.preprocess(image)]
    mean = tuple(round(value) for value in np.asarray(image).mean(axis=(0, 1)))
    for box in _windows(image.width, image.height, grid):
        hidden = image.copy()
        hidden.paste(mean, box)
        inputs.append(encoder.preprocess(hidden))
    # a few at a time, so that the searches of others, who share the encoder, come in between
    few = [np.stack(inputs[at : at + TOGETHER]) for at in range(0, len(inputs), TOGETHER)]
    return np.concatenate([encoder.encode(batch) for batch in few])


def _windows(width: int, height: int, grid: int) -> Iterator[tuple[int, int, int, int]]:
    """left, top, right, bottom round each cell's middle, row by row; at least a pixel, and a mirror image of itself."""

    def span(cell: int, side: int) -> tuple[int, int]:
        middle, reach = (cell + 0.5) * side / grid, OVERLAP / 2 * side / grid
        return max(0, math.floor(middle - reach)), min(side, math.ceil(middle + reach))

    for row in range(grid):
        top, bottom = span(row, height)
        for column in range(grid):
            left, right = span(column, width)
            yield left, top, right, bottom


def _golden(query: Image, hit: Image) -> dict[str, float]:
    rows = relevance.features(np.stack([squashed(query), squashed(hit)]))
    return {name: float(relevance.cosines(pair[:1], pair[1:])[0, 0]) for name, pair in rows.items()}
