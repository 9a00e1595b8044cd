"""A query (pictures, ids, words, liked and disliked hits) to the nearest pictures of a gallery."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline import logs, plugins
from pipeline.errors import GalleryError, UsageError
from pipeline.filters import Filter
from pipeline.gallery import asked, calibration, confidence
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.ranking import NONE
from pipeline.images.regions import parse_box as parse_box
from pipeline.records import Encoder, SearchHit, VectorStore
from pipeline.rerank import Reranker, is_matcher
from pipeline.search import by_aspect, by_kind, by_places, folding, text
from pipeline.search import query as queries
from pipeline.search.query import Query as Query
from pipeline.search.query import QueryPicture as QueryPicture
from pipeline.search.query import since
from pipeline.search.result import SearchResult as SearchResult
from pipeline.search.result import as_json as as_json

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.gallery.appearances import Appearances

MAX_K = 1000
AUTO = ""  # the re-ranker that was measured to be best for the gallery
MAX_HITS = 16_384  # hits that a Milvus server gives at once


def load_encoder(gallery: Gallery, *, device: str = "auto", spec: str = "") -> Encoder:
    """The gallery's encoder. GalleryError when `spec`, or the weights on this machine, give other embeddings."""
    entry = gallery.encoder()
    encoder: Encoder = plugins.build("encoders", spec or entry["spec"], device=device)
    if encoder.fingerprint != entry["fingerprint"]:
        requested = spec or f"{entry['spec']} as it is on this machine"
        raise GalleryError(
            f"gallery {gallery.name} was made with {entry['spec']} (fingerprint {entry['fingerprint'][:8]}); {requested} "
            f"gives other embeddings ({encoder.fingerprint[:8]}). Search without --encoder, or change the gallery: "
            f"python -m pipeline reencode {gallery.name} --encoder {spec or entry['spec']}"
        )
    return encoder


def search(
    gallery: Gallery,
    store: VectorStore,
    encoder: Encoder | None,
    query: Query,
    *,
    k: int = 10,
    where: Filter = Filter(),
    collapse: float | None = None,
    by_picture: bool = False,
    exclude_query: bool = True,
    rerank: str = AUTO,
    max_wrong: float | None = None,
    min_score: float | None = None,
    aspects: str = "",
    appearances: Appearances | None = None,
    at_hand: Callable[[], VectorStore | None] | None = None,
    encode: queries.EncodePictures = queries.embeddings,
    looks: by_aspect.LooksOfPictures = by_aspect.looks_of,
    places: by_places.PlacesOfHits = by_places.places_of_hits,
    table: Callable[[], pd.DataFrame] | None = None,
) -> SearchResult:
    """The k nearest pictures and parts of pictures.

    k: 1 to 1,000. collapse: hide hits whose score to a better hit is at least this (0 to 1); the better hit's
    `folded` names them. by_picture: one hit a picture, the picture itself or its nearest part, whose `folded` names the
    others. exclude_query: the query's own files, their parts, and ids are no hits. encoder may be None unless
    `query.needs_encoder`. rerank: a spec of rerank/, or what was measured to be best for this gallery; words are never
    re-ranked. max_wrong: only hits of which at most this share is wrong, as the gallery's labels taught (confidence.py).
    min_score: only hits from this score up. aspects: weights that put the hits in order (by_aspect.parse); then nothing
    is re-ranked, and no hit is strong or weak. appearances: the gallery's, made where they are needed and not given.
    at_hand: gives a store that has the gallery's rows in memory, or None: a re-ranker looks at hundreds of them and may ask
    twice, which there costs next to nothing. Without one it asks `store`. table: the gallery's, where it is kept.
    encode, looks: by what the query's pictures are encoded and looked at. places: of hits, for a re-ranker that compares the
    pictures themselves. Raises UsageError for k, filter, an empty query,
    or words that the encoder does not take, PictureError for a bad picture, GalleryError for an unknown id, StoreError
    when the store fails.
    """
    started = time.perf_counter()
    manifest = gallery.manifest()
    check(query, k, collapse, rerank, max_wrong, min_score, aspects)
    weights = by_aspect.parse(aspects)
    if query.has_words:
        text.require(gallery, (*query.texts, *query.not_texts))
    where = asked.settled(where, gallery, table)
    entry = gallery.encoder(manifest["current"])
    if encoder is not None and encoder.fingerprint != entry["fingerprint"]:
        raise GalleryError(f"gallery {gallery.name} was made with {entry['spec']}, a different encoder; search again")
    collection = gallery.collection(manifest["current"])  # once: another process may change it meanwhile
    looked = by_aspect.looks_wanted(weights)
    spec = (
        NONE if query.has_words or weights else entry.get("rerank", {}).get("spec", NONE) if rerank == AUTO else rerank
    )
    finder = (at_hand() if at_hand and spec != NONE else None) or store
    asked_with = queries.asked(gallery, finder, collection, entry, encoder, query, encode)
    direction, own, milliseconds = asked_with.direction(), asked_with.own, asked_with.milliseconds
    begun = time.perf_counter()
    gone = gallery.removed() | (own if exclude_query else set())
    nearest = partial(
        _nearest, finder, collection, where=where, without=gone, whole=own if exclude_query else set(),
        collapse=collapse, by_picture=by_picture,
    )  # fmt: skip
    readout = text.kinds_of(gallery) if query.words_alone else None
    unknown = query.has_words or looked or asked_with.learned  # the gallery's labels taught of pictures as they are
    learned = by_kind.LEARNED if readout else {} if unknown else entry.get("confidence", {})
    if max_wrong is not None and not learned:
        raise UsageError(
            f"how often hits are right is not known here: words, aspects or several likes and dislikes are asked with, or gallery {gallery.name} has fewer "
            f"than {confidence.MIN_LABELLED} pictures with labels; a least score can be asked for instead"
        )
    plain = spec == NONE and not (where or collapse or by_picture)
    understood, unmatched, likely, figures, unseen = "", "", dict[str, float](), list[dict[str, float]](), 0
    if readout:
        kinds, along = by_kind.asked(query.texts, query.not_texts), partial(_along, store, collection, where, gone)
        hits, likely, understood = by_kind.hits(readout, store, collection, kinds, along, k)
        hits = folding.one_a_picture(hits) if by_picture else hits
        if collapse and hits:
            hits = folding.fold(hits, store.embeddings(collection, [hit.id for hit in hits]), collapse, k)
    elif looked:
        from pipeline.gallery.appearances import of_gallery

        seen = appearances or of_gallery(gallery)
        unseen, asked_looks = seen.unknown, by_aspect.asked(seen, gallery.name, query, looks)
        hits, figures = by_aspect.hits(
            seen, direction, asked_looks, weights, entry["calibration"], where=where, without=gone,
            whole=own if exclude_query else set(), collapse=collapse, by_picture=by_picture, k=k,
        )  # fmt: skip
    elif spec == NONE:
        hits = nearest(direction, k=max(k, confidence.DEPTH) if learned and plain else k)
    else:
        reranker = plugins.build("rerank", spec)
        matching = None
        if is_matcher(reranker):
            matching = partial(
                by_places.order, gallery, reranker, encoder, query, milliseconds=milliseconds, of_hits=places
            )
        hits, unmatched = _reranked(reranker, finder, collection, direction, entry, nearest, k, matching)
    first = hits
    if learned and not plain and not readout:  # what is usual is so whatever is left out, folded or in another order
        first = nearest(direction, k=confidence.DEPTH, where=Filter(), collapse=None, by_picture=False)
    sure = [likely[hit.id] for hit in hits] if readout else confidence.estimate(learned, hits, first)
    kept = [
        i
        for i, hit in enumerate(hits[:k])
        if (min_score is None or hit.score >= min_score)
        and (max_wrong is None or not sure[i] < confidence.threshold(learned, max_wrong))  # nan: too few to tell
    ]
    left_out = min(k, len(hits)) - len(kept)
    hits, sure = [hits[i] for i in kept], [sure[i] for i in kept if sure[i] == sure[i]]
    bands = [confidence.band(learned, one) for one in sure]
    if (novel := confidence.is_novel(learned, first)) is False and where:  # the nearest may be none of the hits
        novel = set(bands) <= {"weak"}
    milliseconds["search"] = since(begun)
    milliseconds["total"] = since(started)
    quantiles = [] if query.has_words or asked_with.learned else entry["calibration"]
    stages = {f"{stage}_ms": round(spent, 1) for stage, spent in milliseconds.items()}
    texts = len(query.texts) + len(query.not_texts)
    logs.event("search", gallery=gallery.name, k=k, hits=len(hits), pictures=len(query.pictures), texts=texts, **stages)
    return SearchResult(
        hits,
        [calibration.percentile(hit.score, quantiles) for hit in hits],
        calibration.weak_below(quantiles) if not looked and plugins.card_of("encoders", entry["spec"]).weak else -1.0,
        milliseconds,
        spec,
        sure,
        bands,
        left_out,
        understood,
        by_aspect.written(weights),
        [_percentiles(figures[i], seen.quantiles | {by_aspect.MEANING: entry["calibration"]}) for i in kept]
        if looked
        else [],
        unseen,
        novel,
        unmatched,
    )


def _percentiles(cosines: dict[str, float], quantiles: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    return {name: (cosine, calibration.percentile(cosine, quantiles[name])) for name, cosine in cosines.items()}


def needs_encoder(gallery: Gallery, query: Query, rerank: str = AUTO) -> bool:
    """Whether `search` has to encode something: words that name kinds need no encoder, and neither do ids, unless a
    re-ranker encodes their places."""
    if rerank == AUTO:
        rerank = gallery.encoder().get("rerank", {}).get("spec", NONE)
    if not query.has_words and is_matcher(reranker := plugins.build("rerank", rerank)) and reranker.encodes:
        return True
    return bool(query.pictures) or (query.has_words and text.kinds_of(gallery) is None)


def check(
    query: Query,
    k: int,
    collapse: float | None,
    rerank: str = AUTO,
    max_wrong: float | None = None,
    min_score: float | None = None,
    aspects: str = "",
) -> None:
    """UsageError for a query or an option that cannot be answered; costs nothing, so ask it first."""
    by_aspect.check(query, aspects, rerank)
    if max_wrong is not None and not confidence.LEVELS[0] <= max_wrong < 1:
        raise UsageError(f"the share of wrong hits is {max_wrong}; choose {confidence.LEVELS[0]} to 0.99, e.g. 0.1")
    if min_score is not None and not -1 <= min_score <= 1:
        raise UsageError(f"the least score is {min_score}; choose -1 to 1")
    if rerank != AUTO:
        plugins.build("rerank", rerank)
    if not 1 <= k <= MAX_K:
        raise UsageError(f"k is {k}; choose 1 to {MAX_K:,}")
    if collapse is not None and not 0 < collapse <= 1:
        raise UsageError(f"collapse is {collapse}; choose a score above 0 and up to 1, e.g. 0.97")
    queries.check(query)


def _nearest(
    store: VectorStore,
    collection: str,
    vector: np.ndarray,
    *,
    k: int,
    where: Filter,
    without: set[str],
    whole: set[str],
    collapse: float | None,
    by_picture: bool,
) -> list[SearchHit]:
    """Ask for more than k until k are left after leaving out and folding, or the gallery has no more.

    whole: pictures whose parts are left out too.
    """
    enough = k + 1 if collapse else k  # one more, so that everything folded before it has been seen
    limit = k + min(len(without), 50) + (k if collapse else 0) + (3 * k if by_picture else 0)
    while True:
        limit = min(limit, MAX_HITS)
        [answer] = store.search(collection, vector[None], k=limit, where=where)
        hits = [hit for hit in answer if hit.id not in without and hit.parent not in whole]
        if by_picture:
            hits = folding.one_a_picture(hits)
        if collapse and hits:
            hits = folding.fold(hits, store.embeddings(collection, [hit.id for hit in hits]), collapse, enough)
        if len(hits) >= enough or len(answer) < limit or limit == MAX_HITS:
            return hits[:k]
        limit *= 4


def _along(
    store: VectorStore, collection: str, where: Filter, without: set[str], directions: np.ndarray, k: int
) -> list[SearchHit]:
    """At least the k nearest along each direction (m, dim), in one question."""
    answers = store.search(collection, directions, k=min(k + len(without), MAX_HITS), where=where)
    return [hit for answer in answers for hit in answer if hit.id not in without]


def _reranked(
    reranker: Reranker,
    store: VectorStore,
    collection: str,
    query: np.ndarray,
    entry: dict[str, Any],
    nearest: Callable[..., list[SearchHit]],
    k: int,
    matching: Callable[[list[SearchHit], np.ndarray], tuple[np.ndarray, str]] | None,
) -> tuple[list[SearchHit], str]:
    """And what could not be compared. Rows come through the store, so filter, removed pictures and folding are the same for
    the re-ranker. matching: of one that compares the first hits themselves, by_places.order."""
    import numpy as np

    mean = np.array(entry.get("mean") or np.zeros(len(query)), np.float32)

    def embeddings(hits: list[SearchHit]) -> tuple[list[SearchHit], np.ndarray]:
        stored = store.embeddings(collection, [hit.id for hit in hits])
        there = [hit for hit in hits if hit.id in stored]  # not what was taken out between the two questions
        return there, np.array([stored[hit.id] for hit in there], np.float32).reshape(-1, len(query))

    direction = reranker.direction(query, mean, lambda asked, n: embeddings(nearest(asked, k=n))[1])
    hits, rows = embeddings(nearest(direction, k=max(k, reranker.depth)))
    scores = rows @ query
    order, unmatched = reranker.order(direction, mean, rows), ""
    if matching:
        first, unmatched = matching(hits[: reranker.depth], scores[: reranker.depth])
        order = np.concatenate([first, order[reranker.depth :]])
    return [replace(hits[i], score=float(scores[i])) for i in order[:k]], unmatched
