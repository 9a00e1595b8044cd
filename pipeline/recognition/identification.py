"""Whom or what a picture shows, by score: one picture against the identities and the labels of a gallery, or another picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.filters import Clause, Filter
from pipeline.gallery.gallery import Gallery
from pipeline.recognition.identities import identities
from pipeline.records import Encoder, VectorStore
from pipeline.search import query as queries
from pipeline.search.query import Query, QueryPicture

if TYPE_CHECKING:
    import numpy as np

NEAREST = 1000  # pictures among which the labels are ranked
IDENTITY, LABEL = "identity", "label"


@dataclass(frozen=True)
class Match:
    """score: the highest over the pictures of this name, its own copy left out; id: the picture that has it."""

    name: str
    kind: str  # IDENTITY, or LABEL: all pictures with it are taken as of one identity
    score: float
    id: str


def embedding(
    gallery: Gallery, store: VectorStore, encoder: Encoder | None, picture: bytes | str
) -> tuple[np.ndarray, set[str]]:
    """(dim,) of a file's bytes, or of a picture of the gallery by its id; and the ids that are this very picture.

    encoder may be None for an id. Raises as `search` does.
    """
    asked = Query(ids=(picture,)) if isinstance(picture, str) else Query(pictures=(QueryPicture(picture),))
    vector, own, _ = queries.vector(gallery, store, gallery.collection(), gallery.encoder()["dim"], encoder, asked)
    return vector, own


def identify(
    gallery: Gallery, store: VectorStore, asked: np.ndarray, *, own: Iterable[str] = (), labels: bool = True
) -> list[Match]:
    """Identities, then with them the labels among the nearest 1,000 pictures; the highest score first.

    asked: (dim,) of unit length. own: ids of the picture itself, which is no witness for its own name.
    """
    mine = set(own)
    found = [
        match for name, ids in identities(gallery).items() if (match := _best(gallery, store, asked, name, ids, mine))
    ]
    if labels:
        first: dict[str, Match] = {}
        for match in _labelled(gallery, store, asked, mine, Filter(), NEAREST):
            first.setdefault(match.name, match)
        found += first.values()
    return sorted(found, key=lambda match: (-match.score, match.kind, match.name))


def against(
    gallery: Gallery, store: VectorStore, asked: np.ndarray, name: str, *, kind: str = IDENTITY, own: Iterable[str] = ()
) -> Match:
    """UsageError when nothing has this name, or nothing but the picture itself."""
    mine = set(own)
    if kind == IDENTITY:
        found = _best(gallery, store, asked, name, identities(gallery).get(name, []), mine)
    else:
        there = _labelled(gallery, store, asked, mine, Filter((Clause("label", (name,)),)), 50)
        found = next(iter(there), None)
    if found is None:
        raise UsageError(
            f"{gallery.name} has no picture of {name!r} beside the one asked with; add another one, or choose another name"
        )
    return found


def _best(
    gallery: Gallery, store: VectorStore, asked: np.ndarray, name: str, ids: Iterable[str], own: set[str]
) -> Match | None:
    known = store.embeddings(gallery.collection(), [picture for picture in ids if picture not in own])
    scores = {picture: float(vector @ asked) for picture, vector in known.items()}
    best = max(scores, key=lambda picture: (scores[picture], picture), default="")
    return Match(name, IDENTITY, scores[best], best) if best else None


def _labelled(
    gallery: Gallery, store: VectorStore, asked: np.ndarray, own: set[str], where: Filter, k: int
) -> Iterable[Match]:
    """The nearest pictures that have a label, as matches of it; parts of the picture itself are left out too."""
    gone = own | gallery.removed()
    [hits] = store.search(gallery.collection(), asked[None], k=k, where=where)
    return [
        Match(hit.label, LABEL, hit.score, hit.id)
        for hit in hits
        if hit.label and hit.id not in gone and hit.parent not in own
    ]
