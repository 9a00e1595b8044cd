"""Trying encoders on a sample of a gallery's own pictures: speed, size and, with labels, map_at_r."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import plugins
from pipeline.errors import GalleryError, SemblanceError
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_shown, roots
from pipeline.images.opening import open_image
from pipeline.metrics.retrieval import map_at_r
from pipeline.records import Encoder, Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


@dataclass(frozen=True)
class Trial:
    """One encoder on the sample. map_at_r is nan without labels; `error` says why there are no figures."""

    encoder: str
    dim: int = 0
    pictures_per_second: float = 0.0
    bytes_each: int = 0
    map_at_r: float = float("nan")
    pictures: int = 0
    error: str = ""


def try_encoders(
    gallery: Gallery,
    specs: list[str],
    *,
    sample: int = 300,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> list[Trial]:
    """Encode the same random pictures with each encoder, best map_at_r first; nothing is kept.

    An encoder that cannot be had is a row with its reason. GalleryError when the pictures' files are gone.
    """
    pictures, labels = _sample(gallery, sample, seed)
    trials = []
    for number, spec in enumerate(specs):
        progress("encoders", number, len(specs))
        try:
            encoder: Encoder = plugins.build("encoders", spec, device=device)
        except SemblanceError as error:
            trials.append(Trial(spec, error=str(error)))
            continue
        begun = time.perf_counter()
        embeddings = _encode(encoder, pictures)
        rate = len(pictures) / (time.perf_counter() - begun)
        marked = [i for i, label in enumerate(labels) if label]  # '' is no label
        names = [labels[i] for i in marked]
        score = map_at_r(embeddings[marked], names) if len(set(names)) > 1 else float("nan")
        trials.append(Trial(spec, encoder.dim, rate, 4 * encoder.dim, score, len(pictures)))
    progress("encoders", len(specs), len(specs))
    return sorted(
        trials, key=lambda trial: (bool(trial.error), -trial.map_at_r if trial.map_at_r == trial.map_at_r else 0)
    )


def _sample(gallery: Gallery, size: int, seed: int) -> tuple[list[Image], list[str]]:
    table = gallery.table()
    if not len(table):
        raise GalleryError(f"gallery {gallery.name} holds no pictures to try encoders on; ingest some first")
    table = table.sample(min(size, len(table)), random_state=seed)
    folders = roots(gallery)
    originals = [read_shown(row, folders, gallery.name) for row in table.to_dict("records")]
    return [open_image(data).image for data in originals], table["label"].tolist()


def _encode(encoder: Encoder, pictures: list[Image], batch: int = 32) -> np.ndarray:
    import numpy as np

    inputs = (
        np.stack([encoder.preprocess(picture) for picture in pictures[start : start + batch]])
        for start in range(0, len(pictures), batch)
    )
    return np.concatenate([encoder.encode(some) for some in inputs])
