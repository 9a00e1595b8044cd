"""A gallery in one file, out and in again: Parquet, NPZ or BSON by the file's ending, or a MongoDB collection by its URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pipeline.errors import UsageError
from pipeline.exchange import arriving, bson_file, mongodb, npz, parquet
from pipeline.exchange import rows as exchange_rows
from pipeline.files import atomic
from pipeline.gallery import streaming
from pipeline.gallery.gallery import IMPORTED, Gallery
from pipeline.records import Progress, Rows, silent
from pipeline.settings import Settings
from pipeline.stores import _import_files

FORMATS: dict[str, ModuleType] = {".parquet": parquet, ".npz": npz, ".bson": bson_file}
ROWS_A_FILE = 100_000  # of a bulk import: 200 MB at 384 dimensions; a server takes files below 16 GB


def export_gallery(source: Gallery, target: Path | str, *, progress: Progress = silent) -> int:
    """Write all rows that are not removed, with encoder, title and datasets. Returns the count.

    target: a file by its ending, or `mongodb://HOST/DATABASE`, whose collection is the gallery's name, or `…/DATABASE.COLLECTION`. UsageError for
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
    """Make a gallery of an exported file or collection, which is there whole or not at all; its pictures have no thumbnails.

    UsageError when the name is taken or the source is another thing, SemblanceError on a full disk or without the server.
    """
    arriving.check_free(name, settings)
    if mongodb.is_url(str(source)):
        source = str(source)
        facts, rows = mongodb.read(source, name)
        source = mongodb.without_password(source)
    else:
        source = Path(source)
        facts, rows = _format(source).read(source)
    exchange_rows.check(rows, source)
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


def write_bulk(gallery: Gallery, folder: Path, *, progress: Progress = silent) -> list[Path]:
    """Files for Milvus' bulk import: a first fill of a cluster with more rows than upserts would bring soon.

    All rows of the current encoder that are not removed. UsageError when the folder exists; holds one part in memory."""
    if folder.exists():
        raise UsageError(f"{folder} exists; name a new folder")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"no folder {folder.parent}; make it first")
    keys = gallery.manifest()["metadata_keys"]
    try:
        return _import_files.write(folder, _kept(gallery, progress), keys, rows_a_file=ROWS_A_FILE)
    except OSError as error:
        raise atomic.disk_error(error, folder) from error


def _kept(gallery: Gallery, progress: Progress) -> Iterator[Rows]:
    done, total = 0, gallery.count()
    for rows in streaming.each(gallery):
        done += len(rows)
        yield rows
        progress("export", done, total)
