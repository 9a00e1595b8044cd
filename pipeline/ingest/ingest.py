"""Records to embeddings to gallery to store. Kill it at any instant: the next run goes on from there.

An engine takes chunks of pictures the whole way (encoding.py) on all cores, or on other machines; the main thread
commits parts, and one more upserts them.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import schema
from pipeline.errors import GalleryError, StoreError
from pipeline.files import atomic
from pipeline.gallery import calibration, ledgers, parts, ranking, thumbnails
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.ingest.encoding import Chunk, Work
from pipeline.ingest.engines import Engine, Threads
from pipeline.ingest.upserts import Upserts
from pipeline.records import Dataset, Encoder, ImageRecord, Progress, Rows, VectorStore, place, silent
from pipeline.schema import Row

if TYPE_CHECKING:
    import numpy as np

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
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (place, reason)
    notes: list[str] = field(default_factory=list)  # what the dataset passed over or found wrong, counted
    seconds: float = 0.0
    index: str = ""  # why the store was not brought up to date; empty when it was


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
    engine: Engine | None = None,
) -> IngestReport:
    """Bring a dataset into a gallery. With no store the parts are committed and the index is left to `sync`.

    spec: the encoder as written on the command line. limit: only the first so many records; 0 = all.
    engine: who encodes; None = threads of this process, one a core.
    A file that was changed since the last ingest is a new picture; the old one stays until somebody removes it.
    Raises GalleryError when the gallery's encoder is another one; SemblanceError on a full disk. A store that
    fails is reported in `IngestReport.index`, not raised: the gallery goes on.
    """
    started = time.perf_counter()
    with gallery.writing():
        _check_encoder(gallery, encoder, spec)
        dataset.prepare(progress)
        records = list(itertools.islice(dataset.records(), limit or None))
        fingerprint8 = gallery.add_encoder(spec, encoder.fingerprint, encoder.dim)
        if dataset_spec and dataset_spec not in (known := gallery.manifest()["datasets"]):
            gallery.update(datasets=[*known, dataset_spec])
        keys = gallery.manifest()["metadata_keys"]
        with contextlib.closing(Upserts(gallery, fingerprint8, store)) as upserts:
            run = _Run(gallery, fingerprint8, upserts)
            run.note(dataset)
            upserts.failure = _reconcile(gallery, store, progress)
            work = Work(dataset.root, records, encoder, existing=run, known=run.known_before, size=CHUNK)
            working = (engine or Threads()).chunks(work)
            try:
                done = 0
                with contextlib.closing(working) as chunks:
                    for chunk in chunks:
                        run.take(chunk)
                        done += chunk.size
                        progress("ingest", done, len(records))
            finally:
                run.flush()  # Ctrl-C too keeps what was encoded
            run.finish()
            calibration.refresh(gallery, fingerprint8)  # while the last part is on its way
            ranking.refresh(gallery, fingerprint8)
        new_keys = gallery.manifest()["metadata_keys"] != keys
        run.report.index = upserts.failure or _settle(gallery, store, progress, thorough=new_keys)
    run.report.seconds = time.perf_counter() - started
    return run.report


def _check_encoder(gallery: Gallery, encoder: Encoder, spec: str) -> None:
    if gallery.current and gallery.encoder()["fingerprint"] != encoder.fingerprint:
        raise GalleryError(
            f"gallery {gallery.name} was made with {gallery.encoder()['spec']}, not with {spec}; ingest with that, "
            f"or change the whole gallery: python -m pipeline reencode {gallery.name} --encoder {spec}"
        )


def _reconcile(gallery: Gallery, store: VectorStore | None, progress: Progress) -> str:
    """Before the first part: mend what a killed run, or changes while the store was away, left different."""
    try:
        if store is not None and store.exists(gallery.collection()):
            sync.sync(gallery, store, progress=progress)
    except StoreError as error:
        return str(error)
    return ""


def _settle(gallery: Gallery, store: VectorStore | None, progress: Progress, *, thorough: bool) -> str:
    """After the last part: the store holds exactly the gallery's rows and the alias names them.

    It agreed row by row before the first part and took every part since, so the counts tell; except when this run
    brought a metadata key (thorough), which changes the rows of earlier ones.
    """
    try:
        if store is None:
            return ""
        if thorough or not sync.is_filled(gallery, store):
            sync.sync(gallery, store, progress=progress)
        else:
            store.point(gallery.name, gallery.collection())
    except StoreError as error:
        return str(error)
    return ""


class _Run:
    """One ingest: what is known (encoding.Existing), what waits for the next part, and the report."""

    def __init__(self, gallery: Gallery, fingerprint8: str, upserts: Upserts) -> None:
        self.gallery, self.fingerprint8, self.upserts = gallery, fingerprint8, upserts
        gallery.clean()
        self.path_of = parts.paths(gallery.folder(fingerprint8))
        self.gone = gallery.removed()
        merged = ledgers.read(gallery.root / ledgers.MERGED)
        if ledgers.write(gallery.root / ledgers.MERGED, merged):  # a torn line would swallow what follows it
            gallery.update()  # which notes the new size
        self.merged_before = {(row[0], row[1]) for row in merged}
        self.rejected = {row[0]: row[1] for row in ledgers.read(gallery.root / ledgers.REJECTED)}
        self.folders: set[Path] = set()  # of thumbnails, made already
        self.rows: list[Row] = []
        self.embeddings: list[np.ndarray] = []
        self.merged: list[tuple[str, str, str, str]] = []
        self.committed_at = time.monotonic()
        self.report = IngestReport()

    def note(self, dataset: Dataset) -> None:
        """What the dataset says of itself: it has listed its records."""
        self.report.notes += getattr(dataset, "notes", [])
        for where, reason in getattr(dataset, "unreadable", []):
            self.report.rejected.append((where, reason))
            self.rejected[where] = reason

    def known_before(self) -> Collection[str]:
        return self.path_of.keys() | self.gone

    def knows(self, picture_id: str) -> bool:
        return picture_id in self.path_of or picture_id in self.gone

    def is_whole(self, picture_id: str) -> bool:
        return picture_id in self.gone or self.gallery.has_thumbnail(picture_id)

    def keep(self, picture_id: str, thumbnail: bytes) -> None:
        """Straight to its name: nobody asks for it before its row is committed, and the next ingest mends a cut one."""
        file = self.gallery.thumbnail(picture_id)
        try:
            if file.parent not in self.folders:
                file.parent.mkdir(parents=True, exist_ok=True)
                self.folders.add(file.parent)
            file.write_bytes(thumbnails.content(thumbnail))
        except OSError as error:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            raise atomic.disk_error(error, file) from error

    def take(self, chunk: Chunk) -> None:
        """Add a chunk's rows to the part in the making; commit it when it is full or old."""
        for picture_id, record in chunk.repeated:
            self._repeated(picture_id, record)
        for where, reason in chunk.rejected:
            self.report.rejected.append((where, reason))
            self.rejected[where] = reason
        for i, row in enumerate(chunk.rows):
            if row.id in self.path_of:  # the same bytes twice in this run
                self._repeated(row.id, ImageRecord(row.path, row.label, row.split, box=row.box))
                continue
            assert chunk.embeddings is not None
            self.path_of[row.id] = row.path
            self.rejected.pop(place(row.path, row.box), None)
            self.rows.append(row)
            self.embeddings.append(chunk.embeddings[i])
        if len(self.rows) >= PART_ROWS or (self.rows and time.monotonic() - self.committed_at > PART_SECONDS):
            self.flush()

    def _repeated(self, picture_id: str, record: ImageRecord) -> None:
        path = record.path
        self.rejected.pop(record.place, None)
        if picture_id in self.gone:
            self.report.removed += 1
        elif self.path_of[picture_id] == path:
            self.report.known += 1
        else:
            self.report.merged += 1
            if (picture_id, path) not in self.merged_before:
                self.merged_before.add((picture_id, path))
                self.merged.append((picture_id, path, record.label, record.split))

    def flush(self) -> None:
        """Commit the part in the making, then send it to the store."""
        import numpy as np

        rows, embeddings, self.rows, self.embeddings = self.rows, self.embeddings, [], []
        merged, self.merged = self.merged, []
        # Emptied first: what fails here is left to the next run, and the flush that follows an error repeats nothing.
        committed = None
        if rows:
            table = schema.table({name: [getattr(row, name) for row in rows] for name in schema.NAMES})
            committed = Rows(table, np.stack(embeddings).astype(np.float32))
            self.gallery.commit(self.fingerprint8, committed)
            self.report.added += len(rows)
            self.committed_at = time.monotonic()
        if merged:  # after the part: a merged file's picture is always there
            ledgers.append(self.gallery.root / ledgers.MERGED, merged)
        if committed is not None:
            self.upserts.send(committed)

    def finish(self) -> None:
        if ledgers.write(self.gallery.root / ledgers.REJECTED, sorted(self.rejected.items())):
            self.gallery.update()
