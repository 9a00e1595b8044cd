"""Scores for the page: embeddings of pictures, by Milvus or exactly from the gallery's files, kept while nothing changes."""

from __future__ import annotations

import numpy as np

from app.server import encoders, pictures, resources, store
from app.server.pictures import Upload
from pipeline.gallery import judgments, parts
from pipeline.gallery.gallery import Gallery
from pipeline.recognition.identification import Match, best_match, picture_embedding, ranked_matches

Embedded = tuple[np.ndarray, set[str]]


def score(gallery: Gallery, first: str | Upload, second: str | Upload) -> float:
    """Cosine of the two pictures. Raises as a search does."""
    return float(embedding(gallery, first)[0] @ embedding(gallery, second)[0])


def labels(gallery: Gallery, first: str | Upload, second: str | Upload) -> tuple[str, str]:
    """Their labels in the gallery, '' for a picture that has none there."""
    one, other = (
        resources.kept(gallery, "label", picture, make=lambda picture=picture: _label(gallery, picture))
        for picture in (one.id if isinstance(one, Upload) else one for one in (first, second))
    )
    return one, other


def _label(gallery: Gallery, picture: str) -> str:
    row = parts.find(gallery.folder(), picture)
    return judgments.labels(gallery.judgments_file).get(picture, str(row["label"])) if row else ""


def matches(gallery: Gallery, picture: str | Upload) -> list[Match]:
    """Identities and labels, the highest score first."""
    query, own = embedding(gallery, picture)
    return store.answered(gallery, lambda index: ranked_matches(gallery, index, query, own=own))[0]


def against(gallery: Gallery, picture: str | Upload, who: str) -> Match:
    """who: `identity:NAME` or `label:NAME`. UsageError when nothing but the picture itself has the name."""
    query, own = embedding(gallery, picture)
    kind, _, name = who.partition(":")
    return store.answered(gallery, lambda index: best_match(gallery, index, query, name, kind=kind, own=own))[0]


def embedding(gallery: Gallery, picture: str | Upload) -> Embedded:
    """(dim,) of unit length, and the ids that are this very picture."""
    if isinstance(picture, Upload):
        return pictures.embeddings(encoders.of_gallery(gallery), [picture])[0][0], {picture.id}
    return resources.kept(
        gallery, "embedding", gallery.current, picture, make=lambda: _stored_embedding(gallery, picture)
    )


def _stored_embedding(gallery: Gallery, picture: str) -> Embedded:
    return store.answered(gallery, lambda index: picture_embedding(gallery, index, None, picture))[0]
