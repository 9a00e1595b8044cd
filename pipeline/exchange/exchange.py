"""A gallery in one file, out and in again: Parquet, NPZ or BSON by the file's ending, or a MongoDB collection by its URL."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from pipeline.errors import UsageError
from pipeline.exchange import arriving, bson_file, mongodb, npz, parquet
from pipeline.exchange import rows as exchange_rows
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
    arriving.check_free(name, settings)
    if mongodb.is_url(str(source)):
        raise UsageError(
            "a gallery is imported from a file; dump the collection first: mongodump --db DATABASE --collection NAME, "
            "then import its NAME.bson"
        )
    file = Path(source)
    facts, rows = _format(file).read(file)
    exchange_rows.check(rows, file)
    return arriving.made(
        name,
        settings,
        title=facts.title,
        encoder=(facts.spec, facts.fingerprint, facts.dim),
        rows=rows,
        datasets=list(facts.datasets),
        fill=lambda gallery: gallery.update(**{IMPORTED: True}),
    )


def _format(file: Path) -> ModuleType:
    module = FORMATS.get(file.suffix.lower())
    if module is None:
        raise UsageError(
            f"unknown ending of {file.name!r}; choose {', '.join(FORMATS)}, or write to mongodb://HOST/DATABASE"
        )
    return module
