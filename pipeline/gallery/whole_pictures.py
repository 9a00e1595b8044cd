"""The whole pictures of a gallery and the nearest others of each: what clusters and oddities are found in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.gallery import neighbours
from pipeline.gallery.gallery import Gallery
from pipeline.records import Neighbours, Progress, Rows, silent


@dataclass(frozen=True)
class WholePictures:
    """Pictures that are no region of another one and not removed; regions, where there is nothing else.

    about: what a report says it rests on; with `neighbours`, a note, once they were asked for and are not the exact ones.
    """

    rows: Rows
    kept: bool  # they are all rows of the gallery, so that neighbours once found are read back
    about: dict[str, Any]  # rows, encoder, fingerprint, generation
    gallery: Gallery

    @property
    def labels(self) -> np.ndarray:
        """(n,) texts, '' where there is none."""
        return self.rows.table["label"].to_numpy().astype(str)

    def neighbours(self, k: int, *, progress: Progress = silent) -> Neighbours:
        """The k nearest others of each, or all others where there are fewer."""
        k, short = min(k, len(self.rows) - 1), self.about["fingerprint"][:8]
        if self.kept:
            found = neighbours.of_gallery(self.gallery, self.rows, k=k, fingerprint8=short, progress=progress)
        else:
            found = neighbours.of_rows(self.rows.embeddings, k=k, progress=progress)
        if found.note:
            self.about["neighbours"] = found.note
        return found


def of_gallery(gallery: Gallery, *, purpose: str) -> WholePictures:
    """GalleryError before the first ingest. UsageError for fewer than 2 pictures; `purpose` ends its sentence."""
    generation, entry = gallery.generation, gallery.encoder()
    rows = gallery.rows(entry["fingerprint"][:8])
    whole = (rows.table["box"] == "").to_numpy()
    kept = bool(whole.all()) or not whole.any()  # a gallery of objects has regions only, and they are its pictures
    if not kept:  # regions repeat their picture
        rows = rows.take(whole)
    if (n := len(rows)) < 2:
        raise UsageError(
            f"gallery {gallery.name} has {n} picture{'' if n == 1 else 's'}, and it takes at least 2 {purpose}; "
            f"add some: python -m pipeline ingest {gallery.name} --dataset folder:root=…"
        )
    about = {"rows": n, "encoder": entry["spec"], "fingerprint": entry["fingerprint"], "generation": generation}
    return WholePictures(rows, kept, about, gallery)
