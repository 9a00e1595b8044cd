"""The search page's query on the map: its embedding, its place, and how every picture scores against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from app.explore.map_data import MapData
from app.search import query_state
from app.search.query_panel import query_of
from app.server import encoders, pictures, resources, store
from app.server.caches import Cache
from pipeline.analysis import clustering, projection
from pipeline.analysis.colouring import SCORE, Colouring, by_column, on_scale
from pipeline.errors import SemblanceError
from pipeline.filters import Filter
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import map_placing
from pipeline.records import Rows

MAX_BYTES = 1 << 30  # embeddings kept in memory for scores and places
_rows: Cache[Rows] = Cache(MAX_BYTES)


def embedding(gallery: Gallery) -> np.ndarray | None:
    """(dim,) of unit length: the mean of what is asked for in this gallery; None when nothing is."""
    state = query_state.current()
    if state.gallery != gallery.name or not (state.uploads or state.ids):
        return None
    query = query_of(gallery, state)
    encoder = encoders.of_gallery(gallery) if query.pictures else None
    found = list(pictures.embeddings(encoder, query.pictures)[0]) if encoder else []
    if query.ids and (rows := rows_of(gallery)) is not None:
        found += list(rows.embeddings[rows.table["id"].isin(query.ids).to_numpy()])
    if not found:
        return None
    mean = np.mean(found, axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def rows_of(gallery: Gallery) -> Rows | None:
    """The gallery's embeddings; None when they are too many to keep in the app's memory."""
    if gallery.count() * gallery.encoder()["dim"] * 4 > MAX_BYTES:
        return None
    return _rows.made(gallery.version, lambda: _read(gallery))


def _read(gallery: Gallery) -> Rows:
    with st.spinner("Reading the embeddings …"):
        return gallery.rows()


def scores(gallery: Gallery, data: MapData, query: np.ndarray) -> np.ndarray:
    """(n,) cosine of every picture on the map to the query; not a number where it has no embedding at hand."""
    rows = rows_of(gallery)
    if rows is None:
        return np.full(len(data.points), np.nan)
    known = dict(zip(rows.table["id"], rows.embeddings @ query, strict=True))
    return np.array([known.get(one, np.nan) for one in data.table["id"]])


def spot(gallery: Gallery, data: MapData, query: np.ndarray) -> list[float] | None:
    """Where the query stands on the map, without computing the map again; None for a map of another encoder."""
    try:
        if (rows := rows_of(gallery)) is not None:
            return data.scaled(projection.place(gallery, data.map, query, rows=rows))
        if data.map.about["fingerprint"][:8] != gallery.current:
            return None
        [hits] = store.searchable(gallery)[0].search(
            gallery.collection(), query[None], k=map_placing.NEAREST, where=Filter()
        )
        return data.scaled(projection.place_hits(data.map, hits))
    except SemblanceError:
        return None


def colouring(gallery: Gallery, data: MapData, by: str, query: Any) -> Colouring:
    """What a map is coloured by, kept for all sessions; by the score to the query it is made anew."""
    if by == SCORE:
        return on_scale("Score to the query", scores(gallery, data, query))
    if by == "tag":  # judgments change without a new version of the rows
        return by_column(gallery, data, by)
    report = clustering.newest(gallery) if by == "cluster" else ""
    return resources.kept(gallery, "colours", data.map.name, by, report, make=lambda: by_column(gallery, data, by))
