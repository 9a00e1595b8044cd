"""A gallery as one Parquet file: the columns of its parts, for the current encoder."""

from __future__ import annotations

from pathlib import Path

from pipeline import atomic, calibration, gallery, parts
from pipeline.errors import UsageError
from pipeline.gallery import Gallery
from pipeline.settings import Settings

_KEYS = ("spec", "fingerprint", "title")


def export_gallery(source: Gallery, target: Path) -> int:
    """Write all rows that are not removed; encoder and title travel as the file's metadata. Returns the count."""
    import pyarrow.parquet as pq

    if not target.parent.is_dir():
        raise UsageError(f"no folder {target.parent}; make it first")
    entry = source.encoder()
    rows = source.rows()
    facts = {"spec": entry["spec"], "fingerprint": entry["fingerprint"], "title": source.manifest()["title"]}
    table = parts.to_arrow(rows).replace_schema_metadata({f"semblance.{key}": facts[key] for key in _KEYS})
    with atomic.replacing(target) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    return len(rows)


def import_gallery(name: str, source: Path, settings: Settings) -> Gallery:
    """Make a gallery of an exported file. UsageError when the name is taken or the file is another thing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    if name in gallery.names(settings):
        raise UsageError(
            f"gallery {name} exists; choose another name, or drop it first: python -m pipeline drop {name}"
        )
    gallery.check_name(name)
    try:
        table = pq.read_table(source, partitioning=None, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"cannot read {source}: {error}") from error
    noted = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    lacking = [f"semblance.{key}" for key in _KEYS if f"semblance.{key}" not in noted]
    lacking += [column for column in (*parts.COLUMNS, "embedding") if column not in table.column_names]
    if lacking:
        raise UsageError(f"{source} is no export of a gallery: it has no {', '.join(lacking)}")
    dim = table.schema.field("embedding").type.list_size
    rows = parts.from_arrow(table, dim)
    norms = np.linalg.norm(rows.embeddings, axis=1)
    if not np.allclose(norms, 1, atol=1e-3):
        raise UsageError(f"{source} holds embeddings that are not of unit length; export it again")
    made = gallery.create_gallery(name, settings, title=noted["semblance.title"])
    with made.writing():
        short = made.add_encoder(noted["semblance.spec"], noted["semblance.fingerprint"], dim)
        made.commit(short, rows)
        calibration.refresh(made, short)
    return made
