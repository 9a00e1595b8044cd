"""Pictures that visitors bring or ask with: each decoded once and encoded once, whatever a page then does with it.

What is kept is small: a preview, and an embedding for each encoder and region. A decoded picture (147 MB of a 143 kB PNG
of 7,000 × 7,000 pixels) is dropped as soon as both are made, and no two are in memory at a time.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from app.server.caches import Cache
from pipeline.files.html_page import data_address
from pipeline.images import decoding
from pipeline.images.opening import open_image
from pipeline.parallel import leave_cores_free
from pipeline.records import Encoder
from pipeline.search.query import QueryPicture, open_query, since

if TYPE_CHECKING:
    from PIL.Image import Image

Result = TypeVar("Result")
PREVIEW_SIDE = 680  # px, the longer side

_turn = threading.Lock()
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Preview:
    """A picture to look at, made from pixels, so nothing of EXIF travels; and the size of the whole upright picture."""

    jpeg: bytes
    width: int
    height: int

    @property
    def source(self) -> str:
        return data_address(self.jpeg)


@dataclass(frozen=True)
class Upload(QueryPicture):
    """A query picture that came from the visitor; it stays in the session and is never put in an address."""

    name: str = field(default="", kw_only=True)


@dataclass
class _Encoded:
    embedding: np.ndarray  # (dim,)
    milliseconds: dict[str, float]  # of `open` and `encode`, until an answer has told them


_previews: Cache[Preview] = Cache(64 << 20)
_encoded: Cache[_Encoded] = Cache(32 << 20)


def in_turn(work: Callable[[], Result]) -> Result:
    """Whatever opens a visitor's picture: one at a time, and what decoding took goes back to the system."""
    with _turn:
        try:
            return work()
        finally:
            _give_back()


def known(file_id: str) -> Preview | None:
    """The preview of a file that was opened lately."""
    return _previews.get(file_id)


def preview(picture: QueryPicture, encoder: Encoder | None = None) -> Preview:
    """Of the whole picture, whatever its box. PictureError when it cannot be opened.

    encoder: the one that will be asked next; it takes the whole picture from the same decoding.
    """

    def open_and_encode() -> Preview:
        begun = time.perf_counter()
        opened = open_image(picture.data)
        made = Preview(decoding.thumbnail(opened.image, side=PREVIEW_SIDE), opened.width, opened.height)
        if encoder:
            _encoded.put((picture.id, None, encoder.fingerprint), _encode(encoder, opened.image, begun))
        return made

    return _previews.made(picture.id, lambda: in_turn(open_and_encode))


def embeddings(encoder: Encoder, pictures: Sequence[QueryPicture]) -> tuple[np.ndarray, dict[str, float]]:
    """As `pipeline.search.query.embeddings`, but nothing is opened or encoded a second time.

    The milliseconds are those since a picture came; the first answer tells them, later ones have cost nothing.
    """

    def open_and_encode(picture: QueryPicture) -> _Encoded:
        begun = time.perf_counter()
        return _encode(encoder, open_query(picture), begun)

    vectors, spent = [], Counter(open=0.0, encode=0.0)
    for picture in pictures:
        key = picture.id, picture.box, encoder.fingerprint
        kept = _encoded.made(key, lambda one=picture: in_turn(lambda: open_and_encode(one)))
        vectors.append(kept.embedding)
        spent.update(kept.milliseconds)
        kept.milliseconds = {}
    return np.stack(vectors), dict(spent)


def _encode(encoder: Encoder, image: Image, begun: float) -> _Encoded:
    opened = time.perf_counter()
    leave_cores_free()
    [embedding] = encoder.encode(encoder.preprocess(image)[None])
    return _Encoded(embedding, {"open": 1000 * (opened - begun), "encode": since(opened)})


def _give_back() -> None:
    """glibc keeps what a thread freed for that thread: of seven pictures of 49 megapixels 300 MB stayed, now 1 MB."""
    if _trim:
        _trim(0)
