"""Whom or what a picture shows, by score: one picture against the identities and the labels of a gallery, or another picture."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.filters import Clause, Filter
from pipeline.gallery.gallery import Gallery
from pipeline.recognition.identities import identities
from pipeline.records import Encoder, VectorStore
from pipeline.search.query import Query, QueryPicture, asked

if TYPE_CHECKING:
    import numpy as np

MAX_HITS = 1000  # pictures among which the labels are ranked
IDENTITY, LABEL = "identity", "label"


@dataclass(frozen=True)
class Match:
    """score: the highest over the pictures of this name, its own copy left out; id: the picture that has it."""

    name: str
    kind: str  # IDENTITY, or LABEL: all pictures with it are taken as of one identity
    score: float
    id: str


def picture_embedding(
    gallery: Gallery, store: VectorStore, encoder: Encoder | None, picture: bytes | str
) -> tuple[np.ndarray, set[str]]:
    """(dim,) of a file's bytes, or of a picture of the gallery by its id; and the ids that are this very picture.

    encoder may be None for an id. Raises as `search` does.
    """
    query = Query(ids=(picture,)) if isinstance(picture, str) else Query(pictures=(QueryPicture(picture),))
    found = asked(gallery, store, gallery.collection(), gallery.encoder(), encoder, query)
    return found.direction(), found.own


def ranked_matches(
    gallery: Gallery, store: VectorStore, query: np.ndarray, *, own: Set[str] = frozenset(), labels: bool = True
) -> list[Match]:
    """Identities, then with them the labels among the nearest 1,000 pictures; the highest score first.

    query: (dim,) of unit length. own: ids of the picture itself, which is no witness for its own name.
    """
    matches = [
        match
        for name, ids in identities(gallery).items()
        if (match := _best_of_identity(gallery, store, query, name, ids, own))
    ]
    if labels:
        best_of_label: dict[str, Match] = {}
        for match in _label_matches(gallery, store, query, own, Filter(), MAX_HITS):
            best_of_label.setdefault(match.name, match)
        matches += best_of_label.values()
    return sorted(matches, key=lambda match: (-match.score, match.kind, match.name))


def best_match(
    gallery: Gallery,
    store: VectorStore,
    query: np.ndarray,
    name: str,
    *,
    kind: str = IDENTITY,
    own: Set[str] = frozenset(),
) -> Match:
    """UsageError when nothing has this name, or nothing but the picture itself."""
    if kind == IDENTITY:
        match = _best_of_identity(gallery, store, query, name, identities(gallery).get(name, []), own)
    else:
        matches = _label_matches(gallery, store, query, own, Filter((Clause("label", (name,)),)), 50)
        match = next(iter(matches), None)
    if match is None:
        raise UsageError(
            f"{gallery.name} has no picture of {name!r} beside the one asked with; add another one, or choose another name"
        )
    return match


def _best_of_identity(
    gallery: Gallery, store: VectorStore, query: np.ndarray, name: str, ids: Iterable[str], own: Set[str]
) -> Match | None:
    embeddings = store.embeddings(gallery.collection(), [picture for picture in ids if picture not in own])
    scores = {picture: float(embedding @ query) for picture, embedding in embeddings.items()}
    best = max(scores, key=lambda picture: (scores[picture], picture), default="")
    return Match(name, IDENTITY, scores[best], best) if best else None


def _label_matches(
    gallery: Gallery, store: VectorStore, query: np.ndarray, own: Set[str], where: Filter, k: int
) -> Iterable[Match]:
    """The nearest pictures that have a label, as matches of it; parts of the picture itself are left out too."""
    left_out = own | gallery.removed()
    [hits] = store.search(gallery.collection(), query[None], k=k, where=where)
    return [
        Match(hit.label, LABEL, hit.score, hit.id)
        for hit in hits
        if hit.label and hit.id not in left_out and hit.parent not in own
    ]
