"""Rows as the Parquet files that a Milvus server imports in bulk: every field of the collection, of the types it wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.records import Rows
from pipeline.schema import COLUMNS, READINGS, TEXTS, WHOLE, named
from pipeline.stores import _wire

if TYPE_CHECKING:
    import pyarrow as pa


def table(rows: Rows, keys: Sequence[str]) -> pa.Table:
    """One row group. JSON travels as text, a vector as a list of float32, whole numbers as int64."""
    import json

    import pyarrow as pa

    sent = [row for batch in _wire.batches(rows, rows.embeddings, tuple(keys)) for row in batch]
    types = {one.name: pa.int64() if one.type is WHOLE else pa.string() for one in COLUMNS} | {"digest": pa.string()}
    types |= dict.fromkeys(READINGS, pa.string())
    columns = {name: [row[name] for row in sent] for name in types}
    for name in (*named(TEXTS), *READINGS):
        columns[name] = [json.dumps(texts, ensure_ascii=False) for texts in columns[name]]
    arrays = {name: pa.array(values, types[name]) for name, values in columns.items()}
    arrays["embedding"] = pa.array([row["embedding"] for row in sent], pa.list_(pa.float32()))
    return pa.table(arrays)


def write(folder: Path, parts: Iterable[Rows], keys: Sequence[str], *, rows_a_file: int) -> list[Path]:
    """`import-NNNNNN.parquet` in a new folder, each of about so many rows; a part of the gallery is a row group."""
    import pyarrow.parquet as pq

    folder.mkdir()
    files: list[Path] = []
    writer, written = None, 0
    try:
        for rows in parts:
            if not len(rows):
                continue
            group = table(rows, keys)
            if writer is None:
                files.append(folder / f"import-{len(files):06d}.parquet")
                writer, written = pq.ParquetWriter(files[-1], group.schema, compression="zstd"), 0
            writer.write_table(group)
            written += len(group)
            if written >= rows_a_file:
                writer.close()
                writer = None
    finally:
        if writer is not None:
            writer.close()
    return files
