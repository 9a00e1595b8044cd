"""Committed parts go to the store in a thread of their own, one at a time: encoding goes on meanwhile."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from pipeline.errors import StoreError
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.records import Rows, VectorStore


class Upserts:
    """What is on its way to the store, and why nothing goes there any more (`failure`; empty while all is well).

    A store that failed is left alone for the rest of the run: `sync` brings what it lacks.
    """

    def __init__(self, gallery: Gallery, fingerprint8: str, store: VectorStore | None) -> None:
        self.failure = ""
        self._gallery, self._fingerprint8, self._store = gallery, fingerprint8, store
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="upsert")
        self._going: Future[None] | None = None

    def send(self, rows: Rows) -> None:
        """Returns once the rows before these have arrived, so that at most one part waits in memory."""
        self.wait()
        if self._store is not None and not self.failure:
            self._going = self._pool.submit(sync.upsert, self._gallery, self._store, self._fingerprint8, rows)

    def wait(self) -> None:
        """Until all that was sent has arrived, or has failed."""
        going, self._going = self._going, None
        try:
            if going:
                going.result()
        except StoreError as error:
            self.failure = str(error)

    def close(self) -> None:
        try:
            self.wait()
        finally:
            self._pool.shutdown()
