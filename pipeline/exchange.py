"""A gallery as one Parquet file: the columns of its parts, for the current encoder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import atomic, calibration, gallery, parts
from pipeline.errors import UsageError
from pipeline.gallery import Gallery
from pipeline.records import Rows
from pipeline.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

_ID = re.compile("[0-9a-f]{32}")
_KEYS = ("spec", "fingerprint", "title")


def export_gallery(source: Gallery, target: Path) -> int:
    """Write all rows that are not removed; encoder and title travel as the file's metadata. Returns the count."""
    import pyarrow.parquet as pq

    if not target.parent.is_dir():
        raise UsageError(f"no folder {target.parent}; make it first")
    entry = source.encoder()
    rows = source.rows()
    manifest = source.manifest()
    facts = {"spec": entry["spec"], "fingerprint": entry["fingerprint"], "title": manifest["title"]}
    facts["datasets"] = json.dumps(manifest["datasets"])
    table = parts.to_arrow(rows).replace_schema_metadata({f"semblance.{key}": fact for key, fact in facts.items()})
    with atomic.replacing(target) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    return len(rows)


def import_gallery(name: str, source: Path, settings: Settings) -> Gallery:
    """Make a gallery of an exported file. UsageError when the name is taken or the file is another thing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if name in gallery.names(settings):
        raise UsageError(
            f"gallery {name} exists; choose another name, or drop it first: python -m pipeline drop {name}"
        )
    gallery.check_name(name)
    try:
        table = pq.read_table(source, partitioning=None, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"cannot read {source}: {error}") from error
    noted = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    lacking = [f"semblance.{key}" for key in _KEYS if f"semblance.{key}" not in noted]
    lacking += [column for column in (*parts.COLUMNS, "embedding") if column not in table.column_names]
    if lacking:
        raise UsageError(f"{source} is no export of a gallery: it has no {', '.join(lacking)}")
    dim = getattr(table.schema.field("embedding").type, "list_size", 0)
    columns = table.select([*parts.COLUMNS, "embedding"]).schema
    if not dim or not columns.equals(parts.to_arrow(parts.empty(dim)).schema):
        raise UsageError(f"{source} is no export of a gallery: its columns have other types; export it again")
    rows = _rows(table, dim, source)
    made = gallery.create_gallery(name, settings, title=noted["semblance.title"])
    with made.writing():
        made.update(datasets=json.loads(noted.get("semblance.datasets", "[]")))
        short = made.add_encoder(noted["semblance.spec"], noted["semblance.fingerprint"], dim)
        made.commit(short, rows)
        calibration.refresh(made, short)
    return made


def _rows(table: pa.Table, dim: int, source: Path) -> Rows:
    """The file's rows; UsageError when somebody has changed them into what no gallery holds."""
    import numpy as np

    if any(table[column].null_count for column in table.column_names):
        raise UsageError(f"{source} has empty cells, which no gallery has; export it again")
    try:
        rows = parts.from_arrow(table, dim)
    except ValueError as error:
        raise UsageError(f"{source} holds metadata that is no JSON ({error}); export it again") from error
    if not np.allclose(np.linalg.norm(rows.embeddings, axis=1), 1, atol=1e-3):
        raise UsageError(f"{source} holds embeddings that are not of unit length; export it again")
    if rows.table["id"].duplicated().any() or not all(map(_ID.fullmatch, rows.table["id"])):
        raise UsageError(f"{source} holds ids that are repeated or not 32 hex digits; export it again")
    return rows
