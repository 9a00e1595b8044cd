"""Views of a gallery's own pictures: what stands in for labels where there are none, to choose a re-ranker by.

Views of one picture are right for each other, all else is wrong. They are small parts of it, because large ones find each
other so easily that every re-ranker helps: with these the choice was that of the labels where there are some
(docs/experiments.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance

from pipeline.gallery.gallery import Gallery
from pipeline.images import opening
from pipeline.records import Encoder

if TYPE_CHECKING:
    import pandas as pd

PICTURES, EACH = 40, 8  # pictures and views of each
SMALLEST, LARGEST = 0.05, 0.25  # of the picture's area
RATIO = 4 / 3  # that a view's sides differ from the picture's, at most
JITTER = 0.4  # brightness, contrast and saturation, within 1 ± this
_LEAST_SIDE = 8  # px


def view(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A random part of an RGB picture, half of them mirrored, in another light."""
    area, ratio = random.uniform(SMALLEST, LARGEST), math.exp(random.uniform(-1, 1) * math.log(RATIO))
    shares = math.sqrt(area * ratio), math.sqrt(area / ratio)
    sides = [min(full, max(_LEAST_SIDE, round(full * share))) for full, share in zip(image.size, shares, strict=True)]
    left, top = (int(random.integers(full - side + 1)) for full, side in zip(image.size, sides, strict=True))
    part = image.crop((left, top, left + sides[0], top + sides[1]))
    if random.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        part = enhance(part).enhance(1 + random.uniform(-JITTER, JITTER))
    return part


def encoded(gallery: Gallery, table: pd.DataFrame, encoder: Encoder, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(m, dim) of the views of PICTURES pictures that have a thumbnail, and (m,) the id of each view's picture.

    table: rows of the gallery. m is 0 in one with fewer such pictures.
    """
    random = np.random.default_rng(seed)
    embeddings: list[np.ndarray] = []
    names: list[str] = []
    for picture in random.permutation(table["id"].to_numpy(object)):
        if len(names) == PICTURES * EACH:
            break
        if data := gallery.thumbnail_data(picture):
            image = opening.open_image(data).image
            embeddings.append(encoder.encode(np.stack([encoder.preprocess(view(image, random)) for _ in range(EACH)])))
            names += [picture] * EACH
    if len(names) < PICTURES * EACH:
        return np.zeros((0, encoder.dim), np.float32), np.zeros(0, object)
    return np.concatenate(embeddings), np.array(names, object)
