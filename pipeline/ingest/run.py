"""One ingest from its first chunk to its last: what is known, what was seen, what waits for the next part."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import schema
from pipeline.files import atomic, checksummed
from pipeline.gallery import judgments, ledgers
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import Root
from pipeline.ingest.encoding import Chunk
from pipeline.ingest.follow import Changes, Seen
from pipeline.ingest.settling import Ledgers
from pipeline.ingest.upserts import Upserts
from pipeline.kinds import readout, tags
from pipeline.records import Dataset, ImageRecord, Rows, place
from pipeline.schema import Row

if TYPE_CHECKING:
    import numpy as np

PART_ROWS = 1000
PART_SECONDS = 10.0


@dataclass
class IngestReport:
    """What one run did; added, known, merged, removed and rejected add up to the records of the dataset."""

    added: int = 0
    known: int = 0  # in the gallery already
    merged: int = 0  # further files with the bytes of one that is there
    removed: int = 0  # left out because somebody removed them
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (place, reason)
    followed: dict[str, int] = field(default_factory=dict)  # what changed in the rows that were there: follow.CHANGES
    contradictions: list[tuple[str, str]] = field(
        default_factory=list
    )  # (place, what two records say); the first counts
    notes: list[str] = field(default_factory=list)  # what the dataset passed over or found wrong, counted
    seconds: float = 0.0
    index: str = ""  # why the store was not brought up to date; empty when it was


class DryRun:
    """What an ingest learns: what is known (encoding.Existing), what was seen, and the report. It changes nothing."""

    def __init__(self, gallery: Gallery, book: Ledgers) -> None:
        self.gallery, self.book = gallery, book
        self.rejected = {row[0]: row[1] for row in ledgers.read(gallery.root / ledgers.REJECTED)}
        self.left_out = {picture for picture, value in book.removals.items() if value and value != judgments.REPLACED}
        self.added: set[str] = set()
        self.seen: list[tuple[str, ImageRecord]] = []
        self.report = IngestReport()

    def note(self, dataset: Dataset) -> None:
        """What the dataset says of itself: it has listed its records."""
        self.report.notes += getattr(dataset, "notes", [])
        for where, reason in getattr(dataset, "unreadable", []):
            self.report.rejected.append((where, reason))
            self.rejected[where] = reason

    def known_before(self) -> Collection[str]:
        return self.book.rows.keys() | self.left_out

    def knows(self, picture_id: str) -> bool:
        return picture_id in self.book.rows or picture_id in self.left_out

    def is_whole(self, picture_id: str) -> bool:
        return True

    def keep(self, picture_id: str, thumbnail: bytes) -> None:
        """Nothing is kept."""

    def take(self, chunk: Chunk) -> None:
        """Note a chunk's pictures."""
        for where, reason in chunk.rejected:
            self.report.rejected.append((where, reason))
            self.rejected[where] = reason
        self.seen += chunk.accepted
        for _, record in chunk.accepted:
            self.rejected.pop(record.place, None)
            if record.parent:  # its film was mended
                self.rejected.pop(record.path.rpartition("/")[0], None)
        for i, row in enumerate(chunk.rows):
            self.rejected.pop(place(row.path, row.box), None)
            if row.id in self.book.rows:
                continue  # the same bytes twice in this run
            self.book.add(row)
            self.added.add(row.id)
            self.report.added += 1
            assert chunk.embeddings is not None
            self.add(row, chunk.embeddings[i])

    def add(self, row: Row, embedding: np.ndarray) -> None:
        """A row that is new."""

    def finish(self, root: Root, dataset: str, *, complete: bool) -> bool:
        """Settle what was seen of the dataset at the root; whether rows that were there have changed.

        complete: it was seen whole, so what was not seen is not in it.
        """
        changes = self.book.settled(Seen(dataset, complete, self.seen), root, self.added)
        counts, report = changes.counts, self.report
        report.known, report.merged, report.removed = (counts.pop(name, 0) for name in ("known", "merged", "removed"))
        report.followed = {name: count for name, count in counts.items() if count}
        report.contradictions = changes.contradictions
        report.rejected += changes.faults
        self.rejected.update(changes.faults)
        self.write(changes, root)
        return bool(changes.rows or changes.replaced or changes.back)

    def write(self, changes: Changes, root: Root) -> None:
        """Nothing is written."""


class Run(DryRun):
    """A run that fills a gallery: parts, thumbnails, lists. Needs the gallery's lock."""

    def __init__(self, gallery: Gallery, fingerprint8: str, upserts: Upserts, book: Ledgers) -> None:
        super().__init__(gallery, book)
        self.fingerprint8, self.upserts = fingerprint8, upserts
        self.folders: set[Path] = set()  # of thumbnails, made already
        self.rows: list[Row] = []
        self.embeddings: list[np.ndarray] = []
        self.committed_at = time.monotonic()
        self.readout = readout.of_gallery(gallery.manifest(), fingerprint8)

    def is_whole(self, picture_id: str) -> bool:
        return picture_id in self.left_out or self.gallery.has_thumbnail(picture_id)

    def keep(self, picture_id: str, thumbnail: bytes) -> None:
        """Straight to its name: nobody asks for it before its row is committed, and the next ingest mends a cut one."""
        file = self.gallery.thumbnail(picture_id)
        try:
            if file.parent not in self.folders:
                file.parent.mkdir(parents=True, exist_ok=True)
                self.folders.add(file.parent)
            file.write_bytes(checksummed.sealed_jpeg(thumbnail))
        except OSError as error:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            raise atomic.disk_error(error, file) from error

    def take(self, chunk: Chunk) -> None:
        """Add a chunk's rows to the part in the making; commit it when it is full or old."""
        super().take(chunk)
        if len(self.rows) >= PART_ROWS or (self.rows and time.monotonic() - self.committed_at > PART_SECONDS):
            self.flush()

    def add(self, row: Row, embedding: np.ndarray) -> None:
        self.rows.append(row)
        self.embeddings.append(embedding)

    def flush(self) -> None:
        """Commit the part in the making, then send it to the store."""
        import numpy as np

        rows, embeddings, self.rows, self.embeddings = self.rows, self.embeddings, [], []
        # Emptied first: what fails here is left to the next run, and the flush that follows an error repeats nothing.
        if rows:
            rows = self._tagged(rows, np.stack(embeddings))
            table = schema.table({name: [getattr(row, name) for row in rows] for name in schema.NAMES})
            committed = Rows(table, np.stack(embeddings).astype(np.float32))
            self.gallery.commit(self.fingerprint8, committed)
            self.committed_at = time.monotonic()
            self.upserts.send(committed)

    def _tagged(self, rows: list[Row], embeddings: np.ndarray) -> list[Row]:
        """Rows that no label says anything of, with what they show; its own metadata goes before."""
        if self.readout is None or all(row.label for row in rows):
            return rows
        made = []
        for row, shown in zip(rows, tags.tags(self.readout, embeddings), strict=True):
            tagged = row if row.label else replace(row, metadata=shown | row.metadata)
            made.append(row if schema.fault(vars(tagged)) else tagged)
            self.book.add(made[-1])
        return made

    def write(self, changes: Changes, root: Root) -> None:
        self.book.keep(changes)
        if ledgers.write(self.gallery.root / ledgers.REJECTED, sorted(self.rejected.items())):
            self.gallery.update()
