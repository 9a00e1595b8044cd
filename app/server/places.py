"""Local features of pictures of galleries, for re-rankers that compare the pictures themselves: made once for all sessions."""

from __future__ import annotations

from collections.abc import Sequence

from app.server.caches import Cache
from pipeline.gallery.gallery import Gallery
from pipeline.records import Encoder, SearchHit
from pipeline.rerank import Matcher, Places
from pipeline.search import by_places

MAX_BYTES = 96 << 20  # cells of the shipped encoder are 8.6 kB a picture: 11,000 of them; 500 keypoints 72 kB: 1,400
_places: Cache[Places] = Cache(MAX_BYTES)


def of_hits(
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
