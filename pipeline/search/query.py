"""What is asked (pictures, ids, words, liked and disliked hits) as one direction among a gallery's embeddings."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import GalleryError, UsageError
from pipeline.fingerprints import file_id
from pipeline.gallery.gallery import Gallery
from pipeline.images import decoding, opening
from pipeline.images.regions import Box
from pipeline.parallel import leave_cores_free
from pipeline.records import Encoder, VectorStore
from pipeline.search import refining
from pipeline.search import text as words

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

LIKE_WEIGHT, UNLIKE_WEIGHT = 0.75, 0.25  # Rocchio's usual weights for relevance feedback (Manning et al., IR, 9.1.1)


@dataclass(frozen=True)
class QueryPicture:
    """A picture asked with: its file's bytes and, to search for a part of it, x, y, w, h in its pixels."""

    data: bytes
    box: Box | None = None

    @functools.cached_property
    def id(self) -> str:
        """Of the whole file."""
        return file_id(self.data)


@dataclass(frozen=True)
class Query:
    """What is asked: the mean of all pictures, ids and texts, moved toward `like`, away from `unlike` and `not_texts`; or
    what is learned from pictures liked and disliked, where those are enough (refining.py).

    Each is a unit vector and counts once, so a text that is given twice counts twice. Scores of a text vary less from
    picture to picture than those of a picture do, so beside a picture a text decides among what is alike to it.
    """

    pictures: tuple[QueryPicture, ...] = ()
    ids: tuple[str, ...] = ()
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    not_texts: tuple[str, ...] = ()

    @property
    def shows(self) -> bool:
        """Whether a picture asks, which has colour and texture; words alone have none."""
        return bool(self.pictures or self.ids or self.like)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be near to."""
        return not (self.shows or self.texts)

    @property
    def has_words(self) -> bool:
        return bool(self.texts or self.not_texts)

    @property
    def learned(self) -> bool:
        """Whether enough is marked to learn from; words lie elsewhere than pictures do, and beside them means are taken."""
        return not self.has_words and refining.enough(len(self.like), len(self.unlike))

    @property
    def words_alone(self) -> bool:
        return bool(self.texts) and not (self.pictures or self.ids or self.like or self.unlike)


def check(query: Query) -> None:
    """UsageError for a query that cannot be answered; costs nothing, so ask it first."""
    for text in (*query.texts, *query.not_texts):
        words.plain(text)
    if query.empty:
        raise UsageError("nothing to search with; give a picture, an --id, a --like or a --text")


def embeddings(encoder: Encoder, pictures: Sequence[QueryPicture]) -> tuple[np.ndarray, dict[str, float]]:
    """(n, dim) of one picture or more, and the milliseconds of `open` and `encode`. PictureError, UsageError for a box."""
    import numpy as np

    begun = time.perf_counter()
    images = [open_query(picture) for picture in pictures]
    milliseconds = {"open": since(begun)}
    begun = time.perf_counter()
    leave_cores_free()
    vectors = encoder.encode(np.stack([encoder.preprocess(image) for image in images]))
    return vectors, milliseconds | {"encode": since(begun)}


EncodePictures = Callable[[Encoder, Sequence[QueryPicture]], tuple["np.ndarray", dict[str, float]]]
"""`embeddings`, or what gives the same and keeps what it gave."""


@dataclass(frozen=True)
class Asked:
    """A query as embeddings, each (n, dim). mean: (dim,) of the gallery's; zeros where it is not known. own: the query's ids.
    learned: the direction is learned from what is marked."""

    asked: np.ndarray
    like: np.ndarray
    unlike: np.ndarray
    away: np.ndarray
    mean: np.ndarray
    own: set[str]
    learned: bool
    milliseconds: dict[str, float]

    def direction(self) -> np.ndarray:
        """(dim,) of unit length: what is searched with."""
        if self.learned:
            return refining.learn(_stacked(self.asked, self.like), self.unlike, self.mean).along
        return moved(self.asked, self.like, self.unlike, self.away)


def asked(
    gallery: Gallery,
    store: VectorStore,
    collection: str,
    entry: Mapping[str, Any],
    encoder: Encoder | None,
    query: Query,
    encode: EncodePictures = embeddings,
) -> Asked:
    """entry: of the collection's encoder in the manifest. Raises as `search` does."""
    import numpy as np

    dim = entry["dim"]
    own = {picture.id for picture in query.pictures if picture.box is None} | set(query.ids)
    milliseconds = {"open": 0.0, "encode": 0.0}
    none = np.zeros((0, dim), np.float32)
    toward, away = [none], none
    if query.pictures:
        assert encoder is not None
        vectors, milliseconds = encode(encoder, query.pictures)
        toward = [vectors]
    if query.has_words:
        begun = time.perf_counter()
        leave_cores_free()
        toward = [*toward, words.directions(gallery, encoder, query.texts, dim)]
        away = words.directions(gallery, encoder, query.not_texts, dim)
        milliseconds["encode"] += since(begun)
    stored = store.embeddings(collection, [*query.ids, *query.like, *query.unlike])
    for picture_id in (*query.ids, *query.like, *query.unlike):
        if picture_id not in stored:
            raise GalleryError(f"gallery {gallery.name} has no picture {picture_id}")

    def stack(ids: Sequence[str]) -> np.ndarray:
        return np.array([stored[i] for i in ids], np.float32).reshape(-1, dim)

    rows = _stacked(*toward, stack(query.ids))
    mean = np.array(entry.get("mean") or np.zeros(dim), np.float32)
    learned = query.learned and bool(mean.any())
    return Asked(rows, stack(query.like), stack(query.unlike), away, mean, own, learned, milliseconds)


def _stacked(*arrays: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.concatenate(arrays)


def moved(asked: np.ndarray, *marked: np.ndarray) -> np.ndarray:
    """(dim,) of unit length: the mean of what is asked with, moved toward the first of `marked`, away from the others.

    Each (n, dim). Words that are not wanted stand apart from pictures, whose larger scores would drown them.
    """
    import numpy as np

    direction = _mean(asked)
    for sign, vectors in zip((LIKE_WEIGHT, *[-UNLIKE_WEIGHT] * len(marked[1:])), marked, strict=True):
        direction += sign * _mean(vectors)
    return direction / max(float(np.linalg.norm(direction)), 1e-12)


def open_query(picture: QueryPicture) -> Image:
    """The picture, or the part of it in the box, RGB. PictureError, UsageError for a box that is not inside."""
    if picture.box is None:
        return opening.open_image(picture.data).image
    return decoding.crop(opening.open_image(picture.data, full=True), picture.box)


def _mean(vectors: np.ndarray) -> np.ndarray:
    """(n, dim) to the unit vector of their mean; zeros for none."""
    import numpy as np

    mean = vectors.sum(0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def since(begun: float) -> float:
    """Milliseconds since a moment of time.perf_counter."""
    return (time.perf_counter() - begun) * 1000
