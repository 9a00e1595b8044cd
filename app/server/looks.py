"""What is looked at in pictures beyond their embedding, once for all sessions: colour and texture of a gallery's and of those
that it is asked with, and the local features by which a re-ranker compares pictures themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.server import pictures, resources
from app.server.caches import Cache
from pipeline.gallery import appearances
from pipeline.gallery.appearances import Appearances
from pipeline.gallery.gallery import Gallery
from pipeline.records import Encoder, SearchHit
from pipeline.rerank import Matcher, Places
from pipeline.search import by_aspect, by_places
from pipeline.search.query import QueryPicture

_asked: Cache[by_aspect.Looks] = Cache(16 << 20)
MAX_BYTES = 96 << 20  # of places; of the shipped encoder, 8.6 kB a picture: 11,000 of them
_places: Cache[Places] = Cache(MAX_BYTES)


def missing(gallery: Gallery) -> int:
    """How many pictures would have to be looked at first; 0 when those that are left take no time to speak of."""
    version = appearances.version(gallery)
    [left] = resources.kept(gallery, "not looked at", version, make=lambda: [appearances.missing(gallery)])
    return left if left > appearances.FEW else 0


def known(gallery: Gallery) -> Appearances:
    """Of the whole gallery; where many are missing it takes minutes."""
    return resources.kept(gallery, "appearances", make=lambda: appearances.of_gallery(gallery))


def of_pictures(asked: Sequence[QueryPicture]) -> by_aspect.Looks:
    """As `by_aspect.looks_of`, but nothing is opened a second time."""
    made = [
        _asked.made((one.id, one.box), lambda one=one: pictures.in_turn(lambda: by_aspect.looks_of([one])))
        for one in asked
    ]
    return {name: np.concatenate([one[name] for one in made]) for name in by_aspect.LOOKS}


def places_of_hits(
    gallery: Gallery, matcher: Matcher, encoder: Encoder | None, hits: Sequence[SearchHit]
) -> list[Places | None]:
    """As `by_places.places_of_hits`, but nothing is encoded a second time while there is room for it."""

    def key(hit: SearchHit) -> tuple[str, str, str]:
        return matcher.kept_as, encoder.fingerprint if encoder and matcher.encodes else "", hit.id

    known = {hit.id: _places.get(key(hit)) for hit in hits}
    new = [hit for hit in hits if known[hit.id] is None]
    for hit, found in zip(new, by_places.places_of_hits(gallery, matcher, encoder, new), strict=True):
        known[hit.id] = _places.put(key(hit), found) if found else None
    return [known[hit.id] for hit in hits]
