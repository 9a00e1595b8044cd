"""Whether a gallery's own files are whole and consistent."""

from __future__ import annotations

from pipeline.errors import GalleryError
from pipeline.gallery import Gallery


def check_files(gallery: Gallery) -> list[str]:
    """One sentence for each thing wrong; empty when nothing is."""
    import numpy as np

    problems = []
    lost: set[str] = set()
    for fingerprint8, entry in gallery.manifest()["encoders"].items():
        try:
            rows = gallery.rows(fingerprint8, with_removed=True)
        except GalleryError as error:
            problems.append(str(error))
            continue
        repeated = int(rows.table["id"].duplicated().sum())
        if repeated:
            problems.append(f"{repeated:,} ids stand twice in the parts of {entry['spec']}")
        if len(rows):
            norms = np.linalg.norm(rows.embeddings, axis=1)
            if bad := int((~np.isfinite(norms) | (abs(norms - 1) > 1e-3)).sum()):
                problems.append(f"{bad:,} embeddings of {entry['spec']} are not of unit length")
        lost.update(picture for picture in rows.table["id"] if not gallery.has_thumbnail(picture))
    if lost:
        problems.append(
            f"{len(lost):,} thumbnails are missing or damaged; ingest the pictures' folder again: it makes them anew"
        )
    return problems
