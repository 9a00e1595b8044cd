"""The one connection to Milvus that all sessions share, kept in step with the galleries on disk.

The embedded Milvus belongs to one process and this process holds it, so what others commit to a gallery (an
ingest on the command line) is brought into the index here, in a thread of its own.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from app.server.caches import Cache
from pipeline import logs
from pipeline.errors import SemblanceError, StoreError
from pipeline.gallery import opening as galleries
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.records import VectorStore
from pipeline.settings import current

Answer = TypeVar("Answer")

Version = tuple[str, str, int]  # Gallery.version
_lock = threading.Lock()
_open: dict[str, VectorStore] = {}  # by URI: tests change it
_syncs = ThreadPoolExecutor(1, thread_name_prefix="sync")
_state: dict[tuple[str, str], tuple[Version, Future[None]]] = {}  # (URI, gallery) to the version brought in
_exact: Cache[VectorStore] = Cache(384 << 20)  # rows in memory
_reading: set[Version] = set()  # large galleries whose rows are read in the background, or never
_failed: dict[str, tuple[float, StoreError]] = {}  # by URI: when it could not be had, and why
_reads = ThreadPoolExecutor(1, thread_name_prefix="read")
AT_HAND_BYTES = 128 << 20  # of embeddings: 130,000 rows of dim 256
AT_ONCE_ROWS = 20_000  # are read while one waits, 0.1 s; more in the background
STEP_SECONDS = 2.0
RETRY_SECONDS = 10.0  # a store that is down is asked again this often, not by every visitor in turn


def store() -> VectorStore:
    """The configured store, opened once. StoreError when it cannot be had."""
    settings = current()
    with _lock:
        when, error = _failed.get(settings.uri, (-math.inf, StoreError()))
        if time.monotonic() - when < RETRY_SECONDS:
            raise error
        if settings.uri in _open:
            return _open[settings.uri]
        try:
            _open[settings.uri] = sync.open_store(settings)
        except StoreError as error:
            _failed[settings.uri] = (time.monotonic(), error)
            raise
        return _open[settings.uri]


def searchable(gallery: Gallery) -> tuple[VectorStore, str]:
    """A store that can answer for this gallery now, and a sentence for the page when it is not Milvus."""
    try:
        connection = store()
        running = refresh(gallery)
        if running.done() and (error := running.exception()):
            raise error
        if connection.exists(gallery.collection()) if running.done() else sync.was_filled(gallery, connection):
            return connection, ""
    except StoreError as error:
        return exactly(gallery, error)
    return _exact_store(gallery), "The index is being filled; until then every picture is compared exactly."


def answered(gallery: Gallery, ask: Callable[[VectorStore], Answer]) -> tuple[Answer, str]:
    """By Milvus; when it fails, exactly from the gallery's files. And `searchable`'s sentence for the page."""
    connection, note = searchable(gallery)
    try:
        return ask(connection), note
    except StoreError as error:
        connection, note = exactly(gallery, error)
        return ask(connection), note


def exactly(gallery: Gallery, error: StoreError) -> tuple[VectorStore, str]:
    """The gallery's rows in memory, and the sentence that says why; the store is left alone for a while."""
    logs.trouble("answered without Milvus", gallery=gallery.name, reason=str(error))
    with _lock:
        if _failed.get(current().uri, (0.0, None))[1] is not error:  # else it is that failure told again
            _failed[current().uri] = (time.monotonic(), error)
    return _exact_store(gallery), f"Answered exactly from the gallery's files, because Milvus cannot be used: {error}"


def refresh(gallery: Gallery, *, again: bool = True) -> Future[None]:
    """Bring the store up to the gallery's version, in the background; returns at once.

    again: also when this failed before.
    """
    key = (current().uri, gallery.name)
    version = gallery.version
    with _lock:
        known, running = _state.get(key, (None, None))
        failed = again and running is not None and running.done() and running.exception() is not None
        if running is None or (running.done() and known != version) or failed:
            running = _syncs.submit(_sync, gallery)
            _state[key] = (version, running)
        return running


def _sync(gallery: Gallery) -> None:
    if not gallery.current:
        return
    begun = time.monotonic()
    try:
        difference = sync.sync(gallery, store())
    except SemblanceError as error:
        logs.trouble("sync failed", gallery=gallery.name, reason=str(error))
        raise
    changed = {"missing": len(difference.missing), "surplus": len(difference.surplus), "stale": len(difference.stale)}
    logs.event("sync", gallery=gallery.name, **changed, seconds=round(time.monotonic() - begun, 2))


def _exact_store(gallery: Gallery) -> VectorStore:
    return _exact.made(gallery.version, lambda: sync.exact_store(gallery))


def at_hand(gallery: Gallery) -> VectorStore | None:
    """The gallery's rows in memory; None while they are being read, and for a gallery whose embeddings take more than
    AT_HAND_BYTES."""
    version = gallery.version
    if found := _exact.get(version):
        return found
    if version in _reading:  # or it is too large
        return None
    rows = gallery.count()
    fits = rows * gallery.encoder()["dim"] * 4 <= AT_HAND_BYTES
    if fits and rows <= AT_ONCE_ROWS:
        return _exact_store(gallery)
    _reading.add(version)
    if fits:
        _reads.submit(_read, gallery, version)
    return None


def _read(gallery: Gallery, version: Version) -> None:
    with contextlib.suppress(SemblanceError):  # the search that needs it says what is wrong
        _exact_store(gallery)
    _reading.discard(version)  # what made room for another gallery is read again when it is asked for


def remove(gallery: Gallery, ids: Sequence[str]) -> None:
    """Out of the gallery, so that the next search sees it, whatever the gallery's size. `restore` takes it back."""
    gallery.remove(ids)
    judged(gallery, ids)


def restore(gallery: Gallery, ids: Sequence[str]) -> None:
    gallery.restore(ids)
    judged(gallery, ids)


def relabel(gallery: Gallery, labels: Mapping[str, str | None]) -> dict[str, str | None]:
    """As `Gallery.relabel`, so that the next search sees it."""
    undo = gallery.relabel(labels)
    judged(gallery, list(labels))
    return undo


def judged(gallery: Gallery, ids: Sequence[str]) -> None:
    """What was just said about these pictures is in the next answer."""
    with contextlib.suppress(StoreError):  # the files are the truth; a later refresh brings the rest
        sync.apply_judged(gallery, store(), ids)


def forget(gallery: Gallery) -> None:
    """After a gallery was dropped: a later one of the same name starts anew."""
    _state.pop((current().uri, gallery.name), None)


def warm_up() -> None:
    """Open the store and bring every gallery in; errors wait for the page that needs it."""
    settings = current()
    try:
        store()
        names = galleries.names(settings)
    except SemblanceError:
        return
    for name in names:
        with contextlib.suppress(SemblanceError):  # one that cannot be read does not hold up the others
            refresh(galleries.open_gallery(name, settings), again=False)


def keep_in_step(ended: threading.Event) -> None:
    """Until `ended` is set: what others commit to a gallery comes into the index without a visitor's doing.

    Once for all visitors. A fragment that every open page runs again makes work for each of them, and Streamlit drops
    the last messages of a run when such a request comes at its end: the page then lacks what was asked for.
    """
    while not ended.wait(STEP_SECONDS):
        warm_up()


def release() -> None:
    """Let running syncs end, then close the store; the next use opens it again."""
    for _, running in list(_state.values()):
        with contextlib.suppress(SemblanceError):
            running.result()
    with _lock:
        for connection in _open.values():
            connection.close()
        _open.clear()
        _state.clear()
        _exact.clear()
        _reading.clear()
        _failed.clear()
