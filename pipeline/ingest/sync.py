"""Making a store agree with a gallery, and telling whether it does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import plugins
from pipeline.errors import GalleryError, StoreError, StoreLocked
from pipeline.fingerprints import row_digest
from pipeline.gallery import streaming
from pipeline.gallery.gallery import Gallery
from pipeline.records import Progress, Rows, VectorStore, silent
from pipeline.schema import with_every_key
from pipeline.settings import Settings

BATCH = 1000
MAX_WAIT = 600.0  # seconds for another command to hand Milvus back
STAGES = ("compare", "verify", "verify again")


def open_store(settings: Settings) -> VectorStore:
    """The configured Milvus. StoreLocked when another process holds the embedded file, else StoreError."""
    store: VectorStore = plugins.build("stores", "milvus", uri=settings.uri, token=settings.token)
    return store


def index_later(
    gallery: Gallery, settings: Settings, locked: StoreLocked, *, progress: Progress = silent, seconds: float = MAX_WAIT
) -> str:
    """Bring the index up to date once the command that held Milvus has ended; why not, or '' when it was.

    The app, which holds Milvus for as long as it runs, does this itself and is not waited for.
    """
    end = time.monotonic() + seconds
    while True:
        if not locked.passing or time.monotonic() > end:
            return str(locked)
        time.sleep(0.2)
        try:
            with contextlib.closing(open_store(settings)) as store, gallery.writing():
                sync(gallery, store, progress=progress)
            return ""
        except StoreLocked as error:
            locked = error
        except (
            StoreError,
            GalleryError,
        ) as error:  # GalleryError: another ingest of it, which does the same at its end
            return str(error)


def exact_store(gallery: Gallery) -> VectorStore:
    """The gallery's current rows in memory, searched exactly: the answer when Milvus cannot be had."""
    store: VectorStore = plugins.build("stores", "exact")
    current = gallery.current
    rows = gallery.rows(current)
    store.create(gallery.collection(current), dim=rows.embeddings.shape[1])
    store.upsert(gallery.collection(current), rows)
    store.embeddings(gallery.collection(current), ())  # what the first question would make is made now
    return store


def is_filled(gallery: Gallery, store: VectorStore) -> bool:
    """Whether the store has as many rows as the gallery: a quick look before a search; `compare` is the thorough one."""
    collection = gallery.collection()
    return store.exists(collection) and store.count(collection) == gallery.count()


def was_filled(gallery: Gallery, store: VectorStore) -> bool:
    """Whether the collection has once agreed with the gallery: from then on the alias names it."""
    collection = gallery.collection()
    return store.exists(collection) and gallery.name in store.describe(collection)["alias"].split(", ")


@dataclass(frozen=True)
class Difference:
    """Ids by which a store differs from its gallery."""

    missing: list[str]
    surplus: list[str]
    stale: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.stale)

    def __str__(self) -> str:
        return f"{len(self.missing)} missing, {len(self.surplus)} surplus, {len(self.stale)} stale"


def upsert(gallery: Gallery, store: VectorStore, fingerprint8: str, rows: Rows) -> None:
    """Send rows that were just committed, every metadata key filled in."""
    manifest = gallery.manifest()
    table = gallery.corrected(rows.table)
    table = table.assign(metadata=with_every_key(table["metadata"], manifest["metadata_keys"]))
    collection = gallery.collection(fingerprint8)
    dim = manifest["encoders"][fingerprint8]["dim"]
    store.create(collection, dim=dim, metadata_keys=manifest["metadata_keys"], index=manifest["index"])
    store.upsert(collection, Rows(table, rows.embeddings))


def compare(
    gallery: Gallery, store: VectorStore, fingerprint8: str = "", *, stage: str = "compare", progress: Progress = silent
) -> Difference:
    """Compare by id and digest, over everything a store keeps of a row."""
    fingerprint8 = fingerprint8 or gallery.current  # once: another process may change it meanwhile
    collection = gallery.collection(fingerprint8)
    in_store = store.digests(collection) if store.exists(collection) else {}
    in_gallery: dict[str, str] = {}
    done, total = 0, 0
    for rows in streaming.each(gallery, fingerprint8):
        total = total or gallery.count()  # after a part was read: of a damaged one the sentence is that of every verb
        for row, embedding in zip(rows.table.to_dict("records"), rows.embeddings, strict=True):
            in_gallery[row["id"]] = row_digest(row, embedding)
        done += len(rows)
        progress(stage, done, max(done, total))  # others may commit meanwhile
    return Difference(
        missing=[key for key in in_gallery if key not in in_store],
        surplus=[key for key in in_store if key not in in_gallery],
        stale=[key for key, digest in in_gallery.items() if in_store.get(key, digest) != digest],
    )


def sync(
    gallery: Gallery, store: VectorStore, *, fingerprint8: str = "", point: bool = True, progress: Progress = silent
) -> Difference:
    """Make the store agree, row by row; returns what differed before.

    point: the gallery's alias names the collection, once it agrees and not before.
    Raises StoreError when it still differs after two repairs.
    """
    fingerprint8 = fingerprint8 or gallery.current  # once: another process may change it meanwhile
    collection = gallery.collection(fingerprint8)
    dim, manifest = gallery.encoder(fingerprint8)["dim"], gallery.manifest()
    store.create(collection, dim=dim, metadata_keys=manifest["metadata_keys"], index=manifest["index"])
    differences = []
    for stage in STAGES:  # each reads the gallery anew: pictures may be removed, or come, while a large one is sent
        differences.append(compare(gallery, store, fingerprint8, stage=stage, progress=progress))
        if not differences[-1]:
            break
        if stage == STAGES[-1]:
            raise StoreError(
                f"{collection} still differs from its gallery after two repairs ({differences[-1]}): another program changes "
                f"one of the two; when it is done: python -m pipeline sync {gallery.name}"
            )
        _repair(gallery, fingerprint8, differences[-1], store, progress)
    if point:
        store.point(gallery.name, collection)
    return differences[0]


def _repair(
    gallery: Gallery, fingerprint8: str, difference: Difference, store: VectorStore, progress: Progress
) -> None:
    """Part by part: a million rows are not held to send a few, nor to send them all."""
    collection = gallery.collection(fingerprint8)
    if difference.surplus:
        store.delete(collection, difference.surplus)
    wanted = {*difference.missing, *difference.stale}
    sent = 0
    progress("sync", 0, len(wanted))  # from here on its rate is counted
    for rows in streaming.each(gallery, fingerprint8) if wanted else ():
        picked = rows.take(rows.table["id"].isin(wanted).to_numpy())
        for start in range(0, len(picked), BATCH):
            batch = picked.take(slice(start, start + BATCH))
            store.upsert(collection, batch)
            sent += len(batch)
            progress("sync", min(sent, len(wanted)), len(wanted))


def choose_index(gallery: Gallery, store: VectorStore, index: str) -> None:
    """From now on the gallery's collections have this index, such as `hnsw:ef=128`; '' = as the store sees fit.

    The current collection is made anew and is empty: `sync` fills it, and until then searches compare every row.
    StoreError for an index that the store does not have; nothing is changed then.
    """
    with gallery.writing():
        trial = f"{gallery.name}__trial"
        store.drop(trial)
        store.create(trial, dim=gallery.encoder()["dim"], index=index)  # first: what cannot be made is refused here
        store.drop(trial)
        gallery.update(index=index)
        store.drop(gallery.collection())


def apply_judged(gallery: Gallery, store: VectorStore, ids: Sequence[str]) -> None:
    """After `remove`, `restore` or `relabel`: take these ids out of the current collection, or put them there as they are now."""
    gone = gallery.removed()
    collection = gallery.collection()
    if out := [picture_id for picture_id in ids if picture_id in gone]:
        store.delete(collection, out)
    if back := set(ids) - gone:
        rows = gallery.rows()
        store.upsert(collection, rows.take(rows.table["id"].isin(back).to_numpy()))


def drop(gallery: Gallery, store: VectorStore) -> None:
    """Delete the gallery: its collections, then its folder."""
    with gallery.writing():
        for fingerprint8 in gallery.manifest()["encoders"]:
            store.drop(gallery.collection(fingerprint8))
        gallery.delete()
