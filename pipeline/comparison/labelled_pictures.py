"""Labelled pictures to compare encoders on: of a dataset or a gallery, drawn label by label, opened once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import SemblanceError
from pipeline.fingerprints import file_id
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_shown, roots
from pipeline.images import opening
from pipeline.images.regions import shown
from pipeline.parallel import in_order
from pipeline.records import Dataset, Progress, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

HELD = 1 << 30  # bytes of decoded pictures that stay in memory; those beyond are opened again for each encoder


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
    records = [asdict(record) | {"parent": ""} for record in dataset.records()]
    table = pd.DataFrame(records, columns=["path", "label", "split", "metadata", "parent"], dtype=object)
    places = [(row["path"], row["box"]) for row in records]
    keys = frozenset(key for row in table["metadata"] for key in row)

    def read(i: int) -> bytes:
        path, box = places[i]
        return shown(opening.read_file(opening.inside(dataset.root, path)), box)

    return Source(spec, table, read, keys)


def of_gallery(gallery: Gallery) -> Source:
    """The gallery's pictures, removed ones left out; a file that is gone is met when it is read."""
    table, folders = gallery.table(), roots(gallery)
    rows = table[["id", "parent", "box", "path"]].to_dict("records")
    keys = frozenset(gallery.manifest()["metadata_keys"])
    return Source(f"gallery {gallery.name}", table, lambda i: read_shown(rows[i], folders, gallery.name), keys)


def sample(labels: np.ndarray, asks: np.ndarray, *, limit: int, seed: int) -> np.ndarray:
    """At most `limit` rows, ascending: every label has its share, and two pictures before another has its third.

    The two are one that asks and one that does not, where the label has both.
    """
    random = np.random.default_rng(seed)
    ranked = []
    for label in np.unique(labels.astype(str)):
        mine = random.permutation(np.flatnonzero(labels == label))
        first = [some[0] for some in (mine[asks[mine]], mine[~asks[mine]]) if len(some)]
        mine = np.concatenate([first, mine[~np.isin(mine, first)]]).astype(int)
        chance = random.random()  # of labels with an equal share, whole pairs in a drawn order
        ranked += [(max(place - 1, 0) / len(mine), chance, row) for place, row in enumerate(mine.tolist())]
    return np.sort([row for *_, row in sorted(ranked)[:limit]])


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
        for row, said, picture in opened:
            if picture is None:
                reasons.append(said)
            elif said in seen:  # a query that finds its own copy would count as right
                copies += 1
            else:
                seen.add(said)
                size += picture.width * picture.height * 3
                kept.append(row)
                held.append(picture if size <= HELD or not held else None)
        progress("open pictures", min(4 * number, len(rows)), len(rows))
    fault = f" ({len(reasons):,} could not, first: {reasons[0]})" if reasons else ""
    return Pictures(source, np.array(kept, int), held, len(reasons), copies, fault)
