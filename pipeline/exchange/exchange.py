"""A gallery in one file, out and in again: Parquet, NPZ or BSON by the file's ending, or a MongoDB collection by its URL."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import ModuleType

from pipeline.errors import UsageError
from pipeline.exchange import bson_file, mongodb, npz, parquet
from pipeline.exchange import rows as exchange_rows
from pipeline.files import atomic
from pipeline.gallery import calibration, opening, ranking
from pipeline.gallery.gallery import IMPORTED, Gallery
from pipeline.records import Progress, silent
from pipeline.settings import Settings

FORMATS: dict[str, ModuleType] = {".parquet": parquet, ".npz": npz, ".bson": bson_file}


def export_gallery(source: Gallery, target: Path | str, *, progress: Progress = silent) -> int:
    """Write all rows that are not removed, with encoder, title and datasets. Returns the count.

    target: a file by its ending, or `mongodb://HOST/DATABASE`, whose collection is the gallery's name. UsageError for
    another ending, a missing folder, text that the format cannot hold or a library that is missing.
    """
    url = str(target)
    if not mongodb.is_url(url):
        file = Path(target)
        writer = _format(file)
        if not file.absolute().parent.is_dir():
            raise UsageError(f"no folder {file.parent}; make it first")
    facts, rows = exchange_rows.of_gallery(source)
    if mongodb.is_url(url):
        mongodb.write(url, source.name, facts, rows, progress=progress)
    else:
        writer.write(file, facts, rows)
    return len(rows)


def import_gallery(name: str, source: Path | str, settings: Settings) -> Gallery:
    """Make a gallery of an exported file, which is there whole or not at all; its pictures have no thumbnails.

    UsageError when the name is taken or the file is another thing, SemblanceError on a full disk.
    """
    opening.check_name(name)
    _check_free(name, settings)
    if mongodb.is_url(str(source)):
        raise UsageError(
            "a gallery is imported from a file; dump the collection first: mongodump --db DATABASE --collection NAME, "
            "then import its NAME.bson"
        )
    from filelock import FileLock

    file = Path(source)
    facts, rows = _format(file).read(file)
    exchange_rows.check(rows, file)
    staging = settings.galleries / f".{name}.importing"
    try:
        settings.galleries.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.galleries / ".importing.lock"):  # one at a time
            shutil.rmtree(staging, ignore_errors=True)  # what a killed import left
            try:
                beside = settings.model_copy(update={"home": staging})
                gallery = opening.create_gallery(name, beside, title=facts.title)
                with gallery.writing():
                    gallery.update(datasets=list(facts.datasets), **{IMPORTED: True})
                    short = gallery.add_encoder(facts.spec, facts.fingerprint, facts.dim)
                    gallery.commit(short, rows)
                    calibration.refresh(gallery, short)
                    ranking.refresh(gallery, short)
                if hasattr(os, "sync"):
                    os.sync()  # contents first: after a power cut there is a whole gallery or none
                _check_free(name, settings)
                return opening.put_in_place(gallery.root, name, settings)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise atomic.disk_error(error, settings.galleries / name) from error


def _check_free(name: str, settings: Settings) -> None:
    if opening.is_taken(name, settings):
        raise UsageError(
            f"gallery {name} exists; choose another name, or drop it first: python -m pipeline drop {name}"
        )


def _format(file: Path) -> ModuleType:
    module = FORMATS.get(file.suffix.lower())
    if module is None:
        raise UsageError(
            f"unknown ending of {file.name!r}; choose {', '.join(FORMATS)}, or write to mongodb://HOST/DATABASE"
        )
    return module
