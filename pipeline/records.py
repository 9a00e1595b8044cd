"""The words of the house as types: what flows between datasets, encoders, galleries, stores and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pipeline.schema import Row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL.Image import Image

    from pipeline.filters import Filter

Progress = Callable[[str, int, int], None]
"""progress(stage, done, total): called often; total is 0 while unknown."""


def silent(stage: str, done: int, total: int) -> None:
    """A Progress that says nothing."""


@dataclass(frozen=True)
class ImageRecord:
    """One picture of a dataset, before it is opened. `path` is POSIX and relative to the dataset's root."""

    path: str
    label: str = ""
    split: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    box: str = ""  # a part of the picture: "x,y,w,h" in whole pixels; '' = the whole. A file's parts follow each other
    parent: str = ""  # of a frame: the id of its film

    @property
    def place(self) -> str:
        return place(self.path, self.box)


def place(path: str, box: str) -> str:
    """How a picture or a part of one is named to people: `path`, or `path#x,y,w,h`."""
    return f"{path}#{box}" if box else path


@dataclass(frozen=True)
class Picture:
    """An opened picture. `width` and `height` are those of the whole upright picture, even when `image` is smaller."""

    image: Image  # RGB, upright, without metadata
    width: int
    height: int
    format: str  # one of images.decoding.FORMATS
    frames: int  # frames or pages in the file (counted up to 1,000); `image` is the first


class Dataset(Protocol):
    """Where pictures come from. Building one is cheap; `prepare` downloads or renders what is missing.

    One that passes something over may say so, once `records` has ended: `notes`, sentences with a count and an example,
    and `unreadable`, pairs of a place and the reason, which an ingest lists among what it rejected. One that makes its
    pictures of other files names their folder `watched`; one of frames finds their film: `film(path)`, a Path or None.
    """

    root: Path

    def prepare(self, progress: Progress = silent) -> None:
        """Make every file that `records` names exist under `root`. A second call does nothing."""

    def records(self) -> Iterator[ImageRecord]:
        """The pictures, in an order that never changes for the same files."""


class Encoder(Protocol):
    """Picture to embedding, preprocessing and L2 normalisation included."""

    dim: int
    fingerprint: str  # 64 hex digits over weights, architecture and preprocessing

    def preprocess(self, image: Image) -> np.ndarray:
        """RGB picture to this encoder's input, one fixed shape. Runs in several threads at once."""

    def encode(self, batch: np.ndarray) -> np.ndarray:
        """(n, *input shape) to (n, dim) float32 of unit length; a picture's row does not depend on the others."""


class TextEncoder(Encoder, Protocol):
    """An encoder whose plugin's card says `words`: a text lies near the pictures that it describes."""

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 of unit length, each row of its text alone.

        A text's score to a picture is far lower than that of two pictures: only the order of a text's scores says
        something. Raises UsageError for a text that is too long to be read whole.
        """


@dataclass(frozen=True)
class Detected:
    """One object that a detector found. score: 0 to 1."""

    label: str
    score: float
    box: tuple[float, float, float, float]  # x, y, width, height in pixels of the whole upright picture, inside it
    mask: str = ""  # COCO's RLE of the whole picture's size as JSON; '' from a detector that finds boxes only


class Detector(Protocol):
    """What a plugin of detectors/ builds: picture to the objects in it."""

    fingerprint: str  # 64 hex digits over weights, architecture and options

    def detect(self, picture: Picture) -> list[Detected]:
        """The surest first. The same picture gives the same answer."""


@dataclass
class Rows:
    """Gallery rows: row i of `table` (a column for each field of schema.Row) belongs to row i of `embeddings`.

    embeddings: (n, dim) float32, unit length.
    """

    table: pd.DataFrame
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: np.ndarray | Sequence[int] | slice) -> Rows:
        """These rows in this order, or those of a boolean mask; the new table counts from 0."""
        return Rows(self.table.iloc[rows].reset_index(drop=True), self.embeddings[rows])


def joined(pieces: Sequence[Rows]) -> Rows:
    """All rows of one or more, in order."""
    import numpy as np
    import pandas as pd

    table = pd.concat([rows.table for rows in pieces], ignore_index=True)
    return Rows(table, np.concatenate([rows.embeddings for rows in pieces]))


@dataclass(frozen=True, kw_only=True)
class SearchHit(Row):
    """A row found. `score` is cosine similarity in [-1, 1], higher is closer."""

    score: float
    folded: tuple[str, ...] = ()  # ids hidden behind this hit: near-duplicates, or other parts of its picture


def hit_of(row: Any) -> SearchHit:
    """A row of a gallery's table, as itertuples gives it, that nothing was compared with: its score is 0."""
    facts = {name: getattr(row, name) for name in ("id", "path", "label", "split", "metadata", "parent", "box")}
    return SearchHit(score=0, width=int(row.width), height=int(row.height), **facts)


class VectorStore(Protocol):
    """A gallery's copy that can be searched. Every method raises StoreError with a remedy, nothing else.

    `collection` matches [A-Za-z_][A-Za-z0-9_]*. Scores are cosine similarity, highest first; ties by id.
    """

    def create(self, collection: str, *, dim: int, metadata_keys: Sequence[str] = (), index: str = "") -> None:
        """Make an empty collection; does nothing when it exists with this dim, StoreError with another.

        index: of a new collection, such as `hnsw:ef=128`; '' = as the store sees fit. One that compares every row has none.
        """

    def exists(self, collection: str) -> bool: ...

    def upsert(self, collection: str, rows: Rows) -> None:
        """Add or replace by id. Refuses non-finite values, a wrong dim and over-long text before sending."""

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove by id; unknown ids are ignored."""

    def search(self, collection: str, queries: np.ndarray, *, k: int, where: Filter) -> list[list[SearchHit]]:
        """queries (n, dim) to n lists of at most k hits, 1 <= k <= 16,384."""

    def embeddings(self, collection: str, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """id to (dim,) float32 for those of `ids` that are there."""

    def digests(self, collection: str) -> dict[str, str]:
        """id to `row_digest` of every row, read with strong consistency: what `sync` and `verify` compare."""

    def count(self, collection: str) -> int: ...

    def point(self, alias: str, collection: str) -> None:
        """Make `alias` name this collection, moving it when it names another."""

    def describe(self, collection: str) -> dict[str, Any]:
        """rows, dim, index, backend, alias: what the Galleries page shows."""

    def collections(self) -> list[str]: ...

    def drop(self, collection: str) -> None:
        """Remove the collection and the aliases that name it; does nothing when it is not there."""

    def ping(self) -> None:
        """StoreError unless the store answers within 5 s."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Neighbours:
    """The nearest others of every row of an array of embeddings, closest first, equal scores by lower row.

    rows: (n, k) int32 row numbers, never the row itself. scores: (n, k) float32, cosine. note: how many of them are the
    exact ones, and how that was measured; '' where all are.
    """

    rows: np.ndarray
    scores: np.ndarray
    note: str = ""

    def first(self, k: int) -> Neighbours:
        return Neighbours(self.rows[:, :k], self.scores[:, :k], self.note)

    @property
    def distances(self) -> np.ndarray:
        """(n, k) float32: the Euclidean distance between the unit-length embeddings."""
        return (2 - 2 * self.scores).clip(min=0) ** 0.5


class Projection(Protocol):
    """A map that has been made."""

    points: np.ndarray  # (n, 2 or 3) float32, finite; row i belongs to row i of what was fitted
    axes: np.ndarray | None  # (2 or 3, dim): the map is (embedding - mean) @ axes.T; None where it is not linear
    mean: np.ndarray | None  # (dim,), with axes
    made_by: str  # library, version and device, such as "umap-learn 0.5.12 on the CPU"
    notes: list[str]  # one sentence for each option that was not taken as it was asked for

    def place(self, embeddings: np.ndarray) -> np.ndarray:
        """(m, dim) to (m, 2 or 3) float32: further pictures on this map, which itself stays as it is."""


class Projector(Protocol):
    """What a plugin of projections/ builds. The same embeddings, options and seed give the same points."""

    wanted: int  # neighbours of every row that `fit` can use; 0 = none

    def fit(
        self,
        embeddings: np.ndarray,
        *,
        neighbours: Neighbours | None = None,
        dimensions: int = 2,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Projection:
        """embeddings: (n, dim) float32 of unit length, n >= 10. neighbours: those of these rows, computed when None."""


class AnnIndex(Protocol):
    """What a plugin of indexes/ builds: a structure that finds the nearest rows of one array, to be compared.

    Embeddings have unit length; scores are cosine as the index knows it, higher is closer. `add` is called once, and
    what it is given is not kept: an index that needs the embeddings holds a copy, which its memory then counts.
    """

    sweep: Sequence[dict[str, int]]  # settings of `tune` to measure, quick to thorough; [{}] when there are none
    grows: Literal["linear", "root", "log"]  # with what of the number of rows the time of a search grows

    def add(self, embeddings: np.ndarray) -> None:
        """(n, dim) float32, n >= 1: build. Raises UsageError for options that do not fit n or dim."""

    def tune(self, **settings: int) -> None:
        """Set how thoroughly to search, without building anew. Until it is called the last of `sweep` holds."""

    def search(self, queries: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(q, dim) to (q, k) float32 scores and (q, k) int64 rows, best first; where fewer are found, -inf and -1."""

    def size_on_disk(self) -> int | None:
        """Bytes of the index when it is saved; None where that cannot be told."""

    def close(self) -> None:
        """Give back files and connections; a second call does nothing."""


@dataclass(frozen=True)
class GalleryInfo:
    """What a list of galleries shows."""

    name: str
    title: str
    dataset: str
    created: str
    encoder: str
    fingerprint: str
    dim: int
    rows: int
    removed: int
    merged: int
    rejected: int
    gone: int  # of the rows
