"""Scores for the page: embeddings of pictures, by Milvus or exactly from the gallery's files, kept while nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import streamlit as st

from app.search.query_state import Upload
from app.server import encoders
from app.server import store as index
from pipeline.errors import StoreError
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import identification
from pipeline.recognition.identification import Match
from pipeline.records import VectorStore

Answer = TypeVar("Answer")
Embedded = tuple[np.ndarray, set[str]]


def score(gallery: Gallery, first: str | Upload, second: str | Upload) -> float:
    """Cosine of the two pictures. Raises as a search does."""
    return float(embedding(gallery, first)[0] @ embedding(gallery, second)[0])


def matches(gallery: Gallery, picture: str | Upload) -> list[Match]:
    """Identities and labels, the highest score first."""
    asked, own = embedding(gallery, picture)
    return _answered(gallery, lambda store: identification.identify(gallery, store, asked, own=own))


def against(gallery: Gallery, picture: str | Upload, who: str) -> Match:
    """who: `identity:NAME` or `label:NAME`. UsageError when nothing but the picture itself has the name."""
    asked, own = embedding(gallery, picture)
    kind, _, name = who.partition(":")
    return _answered(gallery, lambda store: identification.against(gallery, store, asked, name, kind=kind, own=own))


def embedding(gallery: Gallery, picture: str | Upload) -> Embedded:
    """(dim,) of unit length, and the ids that are this very picture."""
    name = picture if isinstance(picture, str) else picture.id
    uploaded = not isinstance(picture, str)
    return _embedding(str(gallery.root), gallery.generation, gallery.current, name, uploaded, gallery, picture)


@st.cache_data(max_entries=64, show_spinner=False)
def _embedding(
    root: str, generation: int, fingerprint: str, name: str, uploaded: bool, _gallery: Gallery, _picture: str | Upload
) -> Embedded:
    encoder = encoders.of_gallery(_gallery) if uploaded else None
    asked = _picture if isinstance(_picture, str) else _picture.data
    return _answered(_gallery, lambda store: identification.embedding(_gallery, store, encoder, asked))


def _answered(gallery: Gallery, ask: Callable[[VectorStore], Answer]) -> Answer:
    """By Milvus; when it fails, exactly. Both give the same scores, so the page says nothing."""
    store, _ = index.searchable(gallery)
    try:
        return ask(store)
    except StoreError as error:
        store, _ = index.exactly(gallery, error)
        return ask(store)
