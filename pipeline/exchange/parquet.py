"""Exchange as one Parquet file: the columns of a gallery's parts; the facts are the file's own metadata."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.exchange.rows import Facts, foreign, unreadable
from pipeline.files import atomic
from pipeline.gallery import parts
from pipeline.records import Rows

_KEYS = ("spec", "fingerprint", "title")


def write(target: Path, facts: Facts, rows: Rows) -> None:
    import pyarrow.parquet as pq

    noted = {"spec": facts.spec, "fingerprint": facts.fingerprint, "title": facts.title}
    noted["datasets"] = json.dumps(facts.datasets)
    table = parts.to_arrow(rows).replace_schema_metadata({f"semblance.{key}": fact for key, fact in noted.items()})
    with atomic.replacing(target) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read(source: Path) -> tuple[Facts, Rows]:
    """UsageError when the file is damaged or another thing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(source, partitioning=None, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(source, error) from error
    noted = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    lacking = [f"semblance.{key}" for key in _KEYS if f"semblance.{key}" not in noted]
    lacking += [column for column in parts.COLUMNS if column not in table.column_names]
    if lacking:
        raise foreign(source, f"it has no {', '.join(lacking)}")
    dim = getattr(table.schema.field("embedding").type, "list_size", 0)
    columns = table.select(parts.COLUMNS).schema
    if not dim or not columns.equals(parts.to_arrow(parts.empty(dim)).schema):
        raise foreign(source, "its columns have other types")
    if any(table[column].null_count for column in table.column_names):
        raise UsageError(f"{source} has empty cells, which no gallery has; export it again")
    try:
        rows = parts.from_arrow(table, dim)
        datasets = tuple(map(str, json.loads(noted.get("semblance.datasets", "[]"))))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{source} holds metadata that is no JSON ({error}); export it again") from error
    facts = [noted[f"semblance.{key}"] for key in _KEYS]
    return Facts(facts[0], facts[1], dim, facts[2], datasets), rows
