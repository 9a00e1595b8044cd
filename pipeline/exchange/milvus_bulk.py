"""A gallery as files for Milvus' bulk import: for a first fill of a cluster with more rows than upserts would bring soon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.gallery import streaming
from pipeline.gallery.gallery import Gallery
from pipeline.records import Progress, Rows, silent
from pipeline.stores import _import_files

ROWS_A_FILE = 100_000  # 200 MB at 384 dimensions; a server takes files below 16 GB


def write(gallery: Gallery, folder: Path, *, progress: Progress = silent) -> list[Path]:
    """All rows of the current encoder that are not removed. UsageError when the folder exists; holds one part in memory."""
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
