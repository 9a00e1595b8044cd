"""Hits in the order of a re-ranker that compares the pictures themselves: their places against those of the query."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import SemblanceError
from pipeline.gallery import small_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import roots
from pipeline.parallel import leave_cores_free
from pipeline.records import Encoder, SearchHit
from pipeline.rerank import Matcher, Places
from pipeline.search.query import Query, open_query, since

if TYPE_CHECKING:
    import numpy as np

MAX_ASKED = 8  # pictures asked with that hits are compared with: the first ones

PlacesOfHits = Callable[[Gallery, Matcher, "Encoder | None", Sequence[SearchHit]], "list[Places | None]"]
"""`places_of_hits`, or what gives the same and keeps what it gave."""


def places_of_hits(
    gallery: Gallery, matcher: Matcher, encoder: Encoder | None, hits: Sequence[SearchHit]
) -> list[Places | None]:
    """Of each hit; None for one that has neither thumbnail nor file. UsageError as Matcher.places."""
    folders = roots(gallery)
    images = [small_pictures.of_row(gallery, vars(hit), folders) for hit in hits]
    there = [image for image in images if image is not None]
    found = iter(matcher.places(encoder, there, asking=False))
    return [None if image is None else next(found) for image in images]


def order(
    gallery: Gallery,
    matcher: Matcher,
    encoder: Encoder | None,
    query: Query,
    hits: Sequence[SearchHit],
    scores: np.ndarray,
    milliseconds: dict[str, float],
    of_hits: PlacesOfHits = places_of_hits,
) -> tuple[np.ndarray, str]:
    """Positions of the hits, best first, and what could not be compared, '' where all was.

    scores: (n,), closest first. milliseconds: takes what it took, as `match`. Of several pictures asked with, ids and likes among
    them, the best match counts. Where the query or no hit can be compared, the order is that of the scores and a sentence says
    why.
    """
    import numpy as np

    begun, plain = time.perf_counter(), np.arange(len(hits))
    if len(hits) < 2:
        return plain, ""
    leave_cores_free()
    try:
        asked = asked_places(gallery, matcher, encoder, query)
        if not any(len(own.boxes) for own in asked):
            return (
                plain,
                "The order is that of the scores: the query has no details that another picture could show too.",
            )
        theirs = of_hits(gallery, matcher, encoder, hits)
    except SemblanceError as error:
        return plain, f"The order is that of the scores, as places could not be compared: {error}"
    there = [row for row, places in enumerate(theirs) if places is not None]
    if not there:
        return plain, "The order is that of the scores: no hit has a thumbnail or a file to compare places with."
    known = [places for places in theirs if places is not None]
    matches = np.full(len(hits), np.nan)
    matches[there] = np.max([[one.score for one in matcher.match(own, known)] for own in asked], axis=0)
    milliseconds["match"] = since(begun)
    left = len(hits) - len(there)
    what = (
        "hit has neither thumbnail nor file and was" if left == 1 else "hits have neither thumbnail nor file and were"
    )
    said = f"{left:,} of the {len(hits):,} nearest {what} not compared." if left else ""
    return matcher.merged(scores, matches), said


def asked_places(gallery: Gallery, matcher: Matcher, encoder: Encoder | None, query: Query) -> list[Places]:
    """Of the pictures asked with. GalleryError where the file of one of the gallery is gone, PictureError, UsageError."""
    images = [small_pictures.small(open_query(picture)) for picture in query.pictures[:MAX_ASKED]]
    ids = (*query.ids, *query.like)[: MAX_ASKED - len(images)]
    images += [small_pictures.of_id(gallery, picture) for picture in ids]
    return matcher.places(encoder, images, asking=True)
