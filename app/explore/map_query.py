"""The search page's query on the map: its embedding, its place, and how every picture scores against it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.explore.map_data import MapData
from app.search import query_state
from app.server import encoders, resources
from app.server import store as index
from app.widgets.region import to_pixels
from pipeline.analysis import projection
from pipeline.errors import SemblanceError
from pipeline.filters import Filter
from pipeline.gallery.gallery import Gallery
from pipeline.images.decoding import crop
from pipeline.images.opening import open_image
from pipeline.metrics import map_placing
from pipeline.parallel import leave_cores_free
from pipeline.records import Rows

MOST_BYTES = 1 << 30  # embeddings kept in memory for scores and places


def embedding(gallery: Gallery) -> np.ndarray | None:
    """(dim,) of unit length: the mean of what is asked for in this gallery; None when nothing is."""
    asked = query_state.current()
    if asked.gallery != gallery.name or not (asked.uploads or asked.ids):
        return None
    found = [_encoded(gallery, upload) for upload in asked.uploads]
    if asked.ids and (rows := rows_of(gallery)) is not None:
        found += list(rows.embeddings[rows.table["id"].isin(asked.ids).to_numpy()])
    if not found:
        return None
    mean = np.mean(found, axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def _encoded(gallery: Gallery, upload: query_state.Upload) -> np.ndarray:
    encoder = encoders.of_gallery(gallery)
    opened = resources.picture(upload.id, upload.data)
    image = opened.image
    if upload.box:
        image = crop(open_image(upload.data, full=True), to_pixels(upload.box, opened))
    leave_cores_free()
    return np.asarray(encoder.encode(encoder.preprocess(image)[None])[0])


def rows_of(gallery: Gallery) -> Rows | None:
    """The gallery's embeddings; None when they are too many to keep in the app's memory."""
    if gallery.count() * gallery.encoder()["dim"] * 4 > MOST_BYTES:
        return None
    return _rows(str(gallery.root), gallery.generation, gallery)


@st.cache_resource(max_entries=1, show_spinner="Reading the embeddings …")
def _rows(root: str, generation: int, _gallery: Gallery) -> Rows:
    return _gallery.rows()


def scores(gallery: Gallery, data: MapData, asked: np.ndarray) -> np.ndarray:
    """(n,) cosine of every picture on the map to the query; not a number where it has no embedding at hand."""
    rows = rows_of(gallery)
    if rows is None:
        return np.full(len(data.points), np.nan)
    known = dict(zip(rows.table["id"], rows.embeddings @ asked, strict=True))
    return np.array([known.get(one, np.nan) for one in data.table["id"]])


def spot(gallery: Gallery, data: MapData, asked: np.ndarray) -> list[float] | None:
    """Where the query stands on the map, without computing the map again; None for a map of another encoder."""
    try:
        if (rows := rows_of(gallery)) is not None:
            return data.scaled(projection.place(gallery, data.map, asked, rows=rows))
        if data.map.about["fingerprint"][:8] != gallery.current:
            return None
        store, _ = index.searchable(gallery)
        [hits] = store.search(gallery.collection(), asked[None], k=map_placing.NEAREST, where=Filter())
        return data.scaled(projection.place_hits(data.map, hits))
    except SemblanceError:
        return None
