"""Records to embeddings to gallery to store. Kill it at any instant: the next run goes on from there.

An engine takes chunks of pictures the whole way (encoding.py) on all cores, or on other machines; the main thread
commits parts, and one more upserts them.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import GalleryError, StoreError
from pipeline.gallery import calibration, ranking
from pipeline.gallery.gallery import IMPORTED, Gallery
from pipeline.gallery.originals import is_there
from pipeline.images import facts
from pipeline.ingest import sync
from pipeline.ingest.encoding import Chunk, NoEncoder, Work
from pipeline.ingest.engines import Engine, Threads
from pipeline.ingest.run import DryRun, IngestReport, Run
from pipeline.ingest.settling import Ledgers, dataset_number
from pipeline.ingest.upserts import Upserts
from pipeline.records import Dataset, Encoder, Progress, VectorStore, silent

if TYPE_CHECKING:
    import pandas as pd

FACTS = "facts"  # in the manifest: kinds of images.facts that rows take over, where somebody chose them
MAX_RECORDS = 2_000  # that are looked at before an ingest
CHUNK = 32  # pictures a task takes: large enough for a batch, small enough for smooth progress


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
    """Bring a dataset into a gallery, which then follows its files (follow.py). With no store the index is left to `sync`.

    spec: the encoder as written on the command line. limit: only the first so many records; 0 = all.
    engine: who encodes; None = threads of this process, one a core.
    A file that was changed since the last ingest is a new picture; the old one becomes a removed one, with a way back.
    Raises GalleryError when the gallery's encoder is another one; SemblanceError on a full disk. A store that
    fails is reported in `IngestReport.index`, not raised: the gallery goes on.
    """
    started = time.perf_counter()
    with gallery.writing():
        _check_encoder(gallery, encoder, spec)
        dataset.prepare(progress)
        records = list(itertools.islice(dataset.records(), limit or None))
        fingerprint8 = gallery.add_encoder(spec, encoder.fingerprint, encoder.dim)
        known = gallery.manifest()["datasets"]
        if dataset_spec and dataset_spec not in known:
            gallery.update(datasets=[*known, dataset_spec])
        keys, kept = gallery.manifest()["metadata_keys"], _facts(gallery)
        with contextlib.closing(Upserts(gallery, fingerprint8, store)) as upserts:
            gallery.clean()
            book = Ledgers(gallery, fingerprint8, datasets=len(known))
            run = Run(gallery, fingerprint8, upserts, book)
            run.note(dataset)
            upserts.failure = _reconcile(gallery, store, progress)
            work = Work(dataset.root, records, encoder, existing=run, known=run.known_before, size=CHUNK, facts=kept)
            working = (engine or Threads()).chunks(work)
            try:
                _take_all(run, working, len(records), progress)
            finally:
                run.flush()  # Ctrl-C too keeps what was encoded
            number = dataset_number(gallery, dataset, dataset_spec)
            changed = run.finish(dataset.root, number, complete=not limit)
            if gallery.manifest().get(IMPORTED) and all(map(gallery.has_thumbnail, gallery.ids())):
                gallery.update(**{IMPORTED: False})
            calibration.refresh(gallery, fingerprint8)  # while the last part is on its way
            ranking.refresh(gallery, fingerprint8, encoder=encoder)
        new_keys = gallery.manifest()["metadata_keys"] != keys
        run.report.index = upserts.failure or _settle(gallery, store, progress, thorough=new_keys or changed)
    run.report.seconds = time.perf_counter() - started
    return run.report


def plan(
    gallery: Gallery, dataset: Dataset, *, dataset_spec: str = "", limit: int = 0, progress: Progress = silent
) -> IngestReport:
    """What `ingest` would report, with nothing changed: every file is read and new ones are opened, none is encoded."""
    started = time.perf_counter()
    with gallery.writing():
        dataset.prepare(progress)
        records = list(itertools.islice(dataset.records(), limit or None))
        run = DryRun(gallery, Ledgers(gallery, gallery.current, datasets=len(gallery.manifest()["datasets"])))
        run.note(dataset)
        work = Work(
            dataset.root, records, NoEncoder(), existing=run, known=run.known_before, size=CHUNK, facts=_facts(gallery)
        )
        _take_all(run, Threads().chunks(work), len(records), progress)
        run.finish(dataset.root, dataset_number(gallery, dataset, dataset_spec), complete=not limit)
    run.report.seconds = time.perf_counter() - started
    return run.report


def _facts(gallery: Gallery) -> tuple[str, ...]:
    return tuple(gallery.manifest().get(FACTS, facts.USUAL))


def _take_all(run: DryRun, working: Generator[Chunk, None, None], total: int, progress: Progress) -> None:
    done = 0
    with contextlib.closing(working) as chunks:
        for chunk in chunks:
            run.take(chunk)
            done += chunk.size
            progress("ingest", done, total)


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


@dataclass(frozen=True)
class Look:
    """What an ingest would bring in.

    table: path, label, split, found (whether the file is there). whole: these are all records, so notes are too.
    """

    table: pd.DataFrame
    notes: list[str]
    whole: bool


def look(dataset: Dataset, *, limit: int = MAX_RECORDS) -> Look:
    """The first records in the dataset's order. Raises what `records` raises."""
    import pandas as pd

    records = dataset.records()
    first = list(itertools.islice(records, limit))
    whole = len(first) < limit or next(records, None) is None
    rows = [(one.path, one.label, one.split, is_there(dataset.root, one.path)) for one in first]
    unreadable = [f"{place}: {reason}" for place, reason in getattr(dataset, "unreadable", [])]
    notes = [*getattr(dataset, "notes", []), *unreadable]
    return Look(pd.DataFrame(rows, columns=["path", "label", "split", "found"]), notes, whole)
