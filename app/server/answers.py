"""A question to a gallery with what the app keeps for all: one connection, encoders, rows and pictures that are opened once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.server import encoders, looks, pictures, resources, store
from pipeline import logs
from pipeline.gallery.appearances import Appearances
from pipeline.gallery.gallery import Gallery
from pipeline.records import Encoder
from pipeline.search import search as searching
from pipeline.search import text
from pipeline.search.search import Query, SearchResult


def answered(
    gallery: Gallery,
    query: Query,
    *,
    appearances: Appearances | None = None,
    encoder: Callable[[Gallery], Encoder] = encoders.shared,
    **options: Any,
) -> tuple[SearchResult, str]:
    """`search.search` by Milvus, exactly from the files when it fails, and the sentence that says so. Raises as that does.

    encoder: loads it, where one is needed. options: of `search.search`.
    """
    if query.has_words:
        text.require(gallery, (*query.texts, *query.not_texts))  # before anything is loaded
    needed = searching.needs_encoder(gallery, query, options.get("rerank", searching.AUTO))
    loaded = encoder(gallery) if needed else None
    with logs.request():
        return store.answered(
            gallery,
            lambda index: searching.search(
                gallery,
                index,
                loaded,
                query,
                appearances=appearances,
                at_hand=lambda: store.at_hand(gallery),
                encode=pictures.embeddings,
                looks=looks.of_pictures,
                places=looks.places_of_hits,
                table=lambda: resources.table(gallery),
                **options,
            ),
        )
