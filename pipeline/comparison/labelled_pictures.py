"""Labelled pictures to compare encoders on: of a dataset or a gallery, drawn label by label, opened once; who asks whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import SemblanceError, UsageError
from pipeline.filters import Filter
from pipeline.fingerprints import file_id
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_shown, roots
from pipeline.images import opening
from pipeline.images.regions import shown
from pipeline.metrics import protocol, retrieval
from pipeline.metrics.intervals import interval
from pipeline.parallel import in_order
from pipeline.records import Dataset, Progress, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

MAX_HELD = 1 << 30  # bytes of decoded pictures that stay in memory; those beyond are opened again for each encoder


@dataclass(frozen=True)
class Source:
    """Pictures to compare on. table: path, label, split, parent, metadata; read(i) is a file that shows row i."""

    name: str
    table: pd.DataFrame
    read: Callable[[int], bytes]
    metadata_keys: frozenset[str]


def of_dataset(dataset: Dataset, spec: str, *, progress: Progress = silent) -> Source:
    """Raises SemblanceError when the dataset cannot be had."""
    import pandas as pd

    dataset.prepare(progress)
    records = [asdict(record) for record in dataset.records()]
    table = pd.DataFrame(records, columns=["path", "label", "split", "metadata", "parent"], dtype=object)
    places = [(row["path"], row["box"]) for row in records]
    keys = frozenset(key for row in table["metadata"] for key in row)

    def read(i: int) -> bytes:
        path, box = places[i]
        return shown(opening.read_inside(dataset.root, path), box)

    return Source(spec, table, read, keys)


def of_gallery(gallery: Gallery) -> Source:
    """The gallery's pictures, removed ones left out; a file that is gone is met when it is read."""
    table, folders = gallery.table(), roots(gallery)
    rows = table[["id", "parent", "box", "path"]].to_dict("records")
    keys = frozenset(gallery.manifest()["metadata_keys"])
    return Source(f"gallery {gallery.name}", table, lambda i: read_shown(rows[i], folders, gallery.name), keys)


def sample(labels: np.ndarray, is_query: np.ndarray, *, limit: int, seed: int) -> np.ndarray:
    """At most `limit` rows, ascending: every label has its share, and two pictures before another has its third.

    The two are a query and one that is searched, where the label has both.
    """
    random = np.random.default_rng(seed)
    ranked = []
    for label in np.unique(labels.astype(str)):
        mine = random.permutation(np.flatnonzero(labels == label))
        first = [some[0] for some in (mine[is_query[mine]], mine[~is_query[mine]]) if len(some)]
        mine = np.concatenate([first, mine[~np.isin(mine, first)]]).astype(int)
        chance = random.random()  # of labels with an equal share, whole pairs in a drawn order
        ranked += [(max(place - 1, 0) / len(mine), chance, row) for place, row in enumerate(mine.tolist())]
    return np.sort([row for *_, row in sorted(ranked)[:limit]])


@dataclass(frozen=True)
class Sides:
    """Who asks whom: all ask all others, or those that are queries ask the rest. Both (n,), of the pictures."""

    labels: np.ndarray
    is_query: np.ndarray

    def split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the queries, and those that are searched."""
        return (rows, rows) if self.is_query.all() else (rows[self.is_query], rows[~self.is_query])

    @property
    def own(self) -> np.ndarray | None:
        """Of each query, its own place among what is searched."""
        return np.arange(len(self.labels)) if self.is_query.all() else None

    @property
    def able(self) -> int:
        """How many queries have something to find."""
        counts = retrieval.relevant_counts(*self.split(self.labels.astype(str)), exclude=self.own)
        return int((counts > 0).sum())

    def metrics(self, names: Sequence[str], embeddings: np.ndarray, *, seed: int) -> dict[str, dict[str, float]]:
        queries, gallery = self.split(embeddings)
        labels, gallery_labels = self.split(self.labels.astype(str))
        measured = protocol.measure(queries, labels, gallery, gallery_labels, exclude=self.own, metrics=names)
        return {name: interval(values, seed=seed).rounded() for name, values in measured.values.items()}

    def check(self, queries: Filter, name: str) -> None:
        """UsageError unless these pictures can tell encoders apart."""
        labels = sorted(set(self.labels))
        if not labels:
            raise UsageError(
                f"no picture has a label in {name}, so nothing says which hits are right; name data with labels"
            )
        if len(labels) == 1:
            raise UsageError(f"the only label is {labels[0]!r} in {name}, so every hit would be right; two are needed")
        if not self.is_query.any():
            raise UsageError(f"no labelled picture passes {queries} in {name}; name another --queries")
        if queries and self.is_query.all():
            raise UsageError(
                f"every labelled picture passes {queries} in {name}, so none is left to search; narrow --queries"
            )
        if not self.able:
            raise UsageError(
                f"no picture that asks has another of its label to find in {name}; name data with more a label"
            )


@dataclass(frozen=True)
class Pictures:
    """Opened pictures: `held` has None where memory was short. fault: why a file could not be read, for a message."""

    source: Source
    rows: np.ndarray  # of the source
    held: list[Image | None]
    unreadable: int
    copies: int
    fault: str

    def __getitem__(self, i: int) -> Image:
        return self.held[i] or opening.open_image(self.source.read(int(self.rows[i]))).image


def open_all(source: Source, rows: np.ndarray, progress: Progress = silent) -> Pictures:
    """The pictures of these rows of the source, in order, without those that cannot be read and identical copies."""

    def work(some: Sequence[int]) -> list[tuple[int, str, Image | None]]:
        """(row, file id, picture) of each, or (row, reason, None)."""
        opened: list[tuple[int, str, Image | None]] = []
        for row in some:
            try:
                data = source.read(row)
                opened.append((row, file_id(data), opening.open_image(data).image))
            except SemblanceError as error:
                opened.append((row, str(error), None))
        return opened

    held: list[Image | None] = []
    kept, reasons, seen, size, copies = list[int](), list[str](), set[str](), 0, 0
    for number, opened in enumerate(in_order(rows.tolist(), work, chunk=4), 1):
        for row, id_or_reason, picture in opened:
            if picture is None:
                reasons.append(id_or_reason)
            elif id_or_reason in seen:  # a query that finds its own copy would count as right
                copies += 1
            else:
                seen.add(id_or_reason)
                size += picture.width * picture.height * 3
                kept.append(row)
                held.append(picture if size <= MAX_HELD or not held else None)
        progress("open pictures", min(4 * number, len(rows)), len(rows))
    fault = f" ({len(reasons):,} could not, first: {reasons[0]})" if reasons else ""
    return Pictures(source, np.array(kept, int), held, len(reasons), copies, fault)
