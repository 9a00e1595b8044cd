"""The encoders that sessions share: loaded once a fingerprint, a few at a time."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import streamlit as st

from pipeline.errors import SemblanceError
from pipeline.gallery import opening as galleries
from pipeline.gallery.gallery import Gallery
from pipeline.records import Encoder, TextEncoder
from pipeline.rerank import cells_of
from pipeline.search import search as searching
from pipeline.settings import current

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_loading = threading.Lock()  # two visitors who ask at once wait for one loading
_loaded: set[tuple[str, str]] = set()
_tried = threading.Event()


def of_gallery(made: Gallery) -> Encoder:
    """The gallery's encoder; under a spinner while it loads. SemblanceError when it cannot be had."""
    key = str(made.root), made.encoder()["fingerprint"]
    if key in _loaded:
        return _load(*key)
    with st.spinner("Loading the encoder …"):
        return _load(*key)


def shared(made: Gallery) -> Encoder:
    """As `of_gallery`, for whoever has no page to show a spinner on."""
    return _load(str(made.root), made.encoder()["fingerprint"])


def ready(made: Gallery) -> Encoder | None:
    """The gallery's encoder when it is loaded already; else None, at once."""
    key = str(made.root), made.encoder()["fingerprint"]
    return _load(*key) if key in _loaded else None


def warm_up() -> None:
    """Load the first gallery's encoder, so that the first visitor need not wait; errors wait for the page."""
    try:
        importlib.import_module("torch")  # whatever comes first will need it
        settings = current()
        for made in (galleries.open_gallery(name, settings) for name in galleries.names(settings)):
            if made.current:
                _load(str(made.root), made.encoder()["fingerprint"])
                return
    except SemblanceError:
        return
    finally:
        _tried.set()


def warm() -> bool:
    """Whether `warm_up` has ended: nothing is left to load before the first answer."""
    return _tried.is_set()


def _load(root: str, fingerprint: str) -> Encoder:
    with _loading:
        encoder = _kept(root, fingerprint)
    _loaded.add((root, fingerprint))
    return encoder


@functools.lru_cache(maxsize=4)
def _kept(root: str, fingerprint: str) -> Encoder:
    return OneAtATime(searching.load_encoder(Gallery(Path(root)), device=current().device))


class OneAtATime:
    """An encoder shared by all sessions: a crowd waits in turn, and cannot exhaust the cores or the GPU."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.dim, self.fingerprint = encoder, encoder.dim, encoder.fingerprint
        self.preprocess = encoder.preprocess
        self._turn = threading.Lock()

    def encode(self, batch: np.ndarray) -> np.ndarray:
        with self._turn:
            return self.encoder.encode(batch)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Where the card of the encoder's plugin says `words`."""
        with self._turn:
            return cast(TextEncoder, self.encoder).encode_text(texts)

    def cells(self, images: Sequence[Image], grid: int) -> np.ndarray:
        """Where the encoder keeps places; else UsageError."""
        with self._turn:
            return cells_of(self.encoder)(images, grid)
