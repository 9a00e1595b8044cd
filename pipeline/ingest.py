"""Records to embeddings to gallery to store. Kill it at any instant: the next run goes on from there.

Each task of the thread pool takes a chunk of pictures the whole way (read, hash, decode, thumbnail, encode), so
that decoding and encoding overlap on any number of cores; the main thread commits parts and upserts them.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import atomic, calibration, images, parts, sync
from pipeline.errors import GalleryError, PictureError, StoreError
from pipeline.fingerprints import file_id
from pipeline.gallery import Gallery
from pipeline.parallel import in_order
from pipeline.records import Dataset, Encoder, ImageRecord, Progress, Rows, VectorStore, silent

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

CHUNK = 32  # pictures a task takes: large enough for a batch, small enough for smooth progress
PART_ROWS = 1000
PART_SECONDS = 10.0


@dataclass
class IngestReport:
    """What one run did; the numbers add up to the records of the dataset."""

    added: int = 0
    known: int = 0  # in the gallery already, by the same path
    merged: int = 0  # further files with the bytes of one that is there
    removed: int = 0  # left out because somebody removed them
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (path, reason)
    seconds: float = 0.0
    index: str = ""  # why the store was not brought up to date; empty when it was


@dataclass
class _Chunk:
    """What a task brings back, in the order of its records."""

    rows: list[dict[str, Any]]
    embeddings: np.ndarray | None
    repeated: list[tuple[str, ImageRecord]]  # (id, record) whose id was there before
    rejected: list[tuple[str, str]]
    size: int


def ingest(
    gallery: Gallery,
    dataset: Dataset,
    encoder: Encoder,
    *,
    spec: str,
    store: VectorStore | None,
    dataset_spec: str = "",
    limit: int = 0,
    progress: Progress = silent,
    workers: int = 0,
) -> IngestReport:
    """Bring a dataset into a gallery. With no store the parts are committed and the index is left to `sync`.

    spec: the encoder as written on the command line. limit: only the first so many records; 0 = all.
    Raises GalleryError when the gallery's encoder is another one; SemblanceError on a full disk. A store that
    fails is reported in `IngestReport.index`, not raised: the gallery goes on.
    """
    started = time.perf_counter()
    with gallery.writing():
        _check_encoder(gallery, encoder, spec)
        fingerprint8 = gallery.add_encoder(spec, encoder.fingerprint, encoder.dim)
        if dataset_spec and dataset_spec not in (known := gallery.manifest()["datasets"]):
            gallery.update(datasets=[*known, dataset_spec])
        dataset.prepare(progress)
        records = list(itertools.islice(dataset.records(), limit or None))
        run = _Run(gallery, fingerprint8, encoder, store)
        try:
            done = 0
            for chunk in in_order(records, lambda some: run.work(dataset.root, some), chunk=CHUNK, workers=workers):
                run.take(chunk)
                done += chunk.size
                progress("ingest", done, len(records))
        finally:
            run.flush()  # Ctrl-C too keeps what was encoded
        run.finish()
        calibration.refresh(gallery, fingerprint8)
        run.report.index = run.report.index or _settle(gallery, store, progress)
    run.report.seconds = time.perf_counter() - started
    return run.report


def _check_encoder(gallery: Gallery, encoder: Encoder, spec: str) -> None:
    if gallery.current and gallery.encoder()["fingerprint"] != encoder.fingerprint:
        raise GalleryError(
            f"gallery {gallery.name} was made with {gallery.encoder()['spec']}, not with {spec}; ingest with that, "
            f"or change the whole gallery: python -m pipeline reencode {gallery.name} --encoder {spec}"
        )


def _settle(gallery: Gallery, store: VectorStore | None, progress: Progress) -> str:
    """After the last part: the store holds exactly the gallery's rows and the alias names them."""
    if store is None or not gallery.ids():
        return ""
    try:
        collection = gallery.collection()
        expected = len(gallery.ids() - gallery.removed())
        if not store.exists(collection) or store.count(collection) != expected:
            sync.sync(gallery, store, progress=progress)
        store.point(gallery.name, collection)
    except StoreError as error:
        return str(error)
    return ""


class _Run:
    """One ingest: what is known, what waits for the next part, and the report."""

    def __init__(self, gallery: Gallery, fingerprint8: str, encoder: Encoder, store: VectorStore | None) -> None:
        self.gallery, self.fingerprint8, self.encoder, self.store = gallery, fingerprint8, encoder, store
        for leftover in [*gallery.root.glob(".*.tmp"), *gallery.folder(fingerprint8).glob(".*.tmp")]:
            leftover.unlink()  # of a killed run
        table = gallery.rows(fingerprint8, with_removed=True).table
        self.path_of = dict(zip(table["id"], table["path"], strict=True))
        self.gone = gallery.removed()
        self.merged_file, self.rejected_file = gallery.root / "merged.csv", gallery.root / "rejected.csv"
        self.merged_before = {(row[0], row[1]) for row in _read_csv(self.merged_file)}
        self.rejected = dict(_read_csv(self.rejected_file))
        self.rows: list[dict[str, Any]] = []
        self.embeddings: list[np.ndarray] = []
        self.merged: list[tuple[str, str, str, str]] = []
        self.committed_at = time.monotonic()
        self.report = IngestReport()

    def work(self, root: Path, records: Iterable[ImageRecord]) -> _Chunk:
        """Runs in a worker thread: reads only what this object had before the run and what the task makes."""
        import numpy as np

        chunk = _Chunk([], None, [], [], 0)
        inputs = []
        for record in records:
            chunk.size += 1
            try:
                data = images.read_file(images.inside(root, record.path))
                picture_id = file_id(data)
                if picture_id in self.path_of or picture_id in self.gone:
                    chunk.repeated.append((picture_id, record))
                    continue
                picture = images.open_image(data)
            except PictureError as error:
                chunk.rejected.append((text(record.path), str(error)))
                continue
            self._write_thumbnail(picture_id, picture.image)
            inputs.append(self.encoder.preprocess(picture.image))
            chunk.rows.append(
                {"id": picture_id, "parent": "", "box": "", "path": text(record.path), "label": record.label}
                | {"split": record.split, "width": picture.width, "height": picture.height}
                | {"metadata": record.metadata}
            )
        if inputs:
            chunk.embeddings = self.encoder.encode(np.stack(inputs))
        return chunk

    def _write_thumbnail(self, picture_id: str, image: Image) -> None:
        file = self.gallery.thumbnail(picture_id)
        if file.exists():
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(f".{os.getpid()}.{id(image)}.tmp")
            temporary.write_bytes(images.thumbnail(image))
            os.replace(temporary, file)  # no fsync: a lost thumbnail is made again from the picture
        except OSError as error:
            raise atomic.disk_error(error, file) from error

    def take(self, chunk: _Chunk) -> None:
        """Add a chunk's rows to the part in the making; commit it when it is full or old."""
        for picture_id, record in chunk.repeated:
            self._repeated(picture_id, text(record.path), record.label, record.split)
        for path, reason in chunk.rejected:
            self.report.rejected.append((path, reason))
            self.rejected[path] = reason
        for i, row in enumerate(chunk.rows):
            if row["id"] in self.path_of:  # the same bytes twice in this run
                self._repeated(row["id"], row["path"], row["label"], row["split"])
                continue
            assert chunk.embeddings is not None
            self.path_of[row["id"]] = row["path"]
            self.rejected.pop(row["path"], None)
            self.rows.append(row)
            self.embeddings.append(chunk.embeddings[i])
        if len(self.rows) >= PART_ROWS or (self.rows and time.monotonic() - self.committed_at > PART_SECONDS):
            self.flush()

    def _repeated(self, picture_id: str, path: str, label: str, split: str) -> None:
        if picture_id in self.gone:
            self.report.removed += 1
        elif self.path_of[picture_id] == path:
            self.report.known += 1
        else:
            self.report.merged += 1
            if (picture_id, path) not in self.merged_before:
                self.merged_before.add((picture_id, path))
                self.merged.append((picture_id, path, label, split))

    def flush(self) -> None:
        """Commit the part in the making, then upsert it."""
        import numpy as np
        import pandas as pd

        if self.merged:
            _append_csv(self.merged_file, ("id", "path", "label", "split"), self.merged)
            self.merged = []
        if not self.rows:
            return
        table = pd.DataFrame(self.rows, columns=list(parts.COLUMNS))
        rows = Rows(table, np.stack(self.embeddings).astype(np.float32))
        self.gallery.commit(self.fingerprint8, rows)
        self.report.added += len(rows)
        self.rows, self.embeddings, self.committed_at = [], [], time.monotonic()
        if self.store is None or self.report.index:
            return
        try:
            sync.upsert(self.gallery, self.store, self.fingerprint8, rows)
        except StoreError as error:
            self.report.index = str(error)

    def finish(self) -> None:
        lines = [("path", "reason"), *sorted(self.rejected.items())]
        with (
            atomic.replacing(self.rejected_file) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as out,
        ):
            csv.writer(out).writerows(lines)


def text(path: str) -> str:
    """A path as UTF-8 text: bytes of a file name that are no UTF-8 become `\\udcXX`."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _read_csv(file: Path) -> list[list[str]]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))[1:]


def _append_csv(file: Path, heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows if file.exists() else [heading, *rows])
    atomic.append(file, buffer.getvalue())
