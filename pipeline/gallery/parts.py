"""The Parquet parts of a gallery: `part-NNNNNN.parquet`, each there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.errors import GalleryError
from pipeline.files import atomic
from pipeline.records import Rows
from pipeline.schema import NAMES, TEXTS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMNS = (*NAMES, "embedding")
_BIRTH = b"semblance.birth"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-[0-9]*.parquet"))


def is_empty(folder: Path) -> bool:
    """Whether nothing was committed yet; looks for the first part alone."""
    return next(folder.glob("part-[0-9]*.parquet"), None) is None


def _schema(dim: int) -> pa.Schema:
    """The columns of schema.Row, then the embedding as a fixed-size list of float32."""
    import pyarrow as pa

    types = {column.name: pa.type_for_alias(column.type.arrow) for column in schema.COLUMNS}
    return pa.schema(types | {"embedding": pa.list_(pa.float32(), dim)})


def to_arrow(rows: Rows) -> pa.Table:
    import pyarrow as pa

    dim = rows.embeddings.shape[1]
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(rows.embeddings.astype("float32").ravel()), dim)
    return pa.table(schema.flat(rows.table) | {"embedding": embedding}, schema=_schema(dim))


def from_arrow(table: pa.Table, dim: int) -> Rows:
    embeddings = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return Rows(_frame(table), embeddings.reshape(-1, dim).astype("float32", copy=False))


def _frame(table: pa.Table) -> pd.DataFrame:
    import pandas as pd

    frame = table.select(NAMES).to_pandas()
    for name in schema.named(TEXTS):
        frame[name] = pd.Series([json.loads(text) for text in frame[name]], dtype=object)
    return frame


def write(folder: Path, rows: Rows, *, birth: str = "") -> Path:
    """Write the rows as the next part. birth: of the gallery they belong to, for `births`."""
    folder.mkdir(parents=True, exist_ok=True)
    existing = files(folder)
    number = int(existing[-1].stem.removeprefix("part-")) + 1 if existing else 0
    table = to_arrow(rows)
    return _write(
        folder / f"part-{number:06d}.parquet", table.replace_schema_metadata({_BIRTH: birth} if birth else {})
    )


def births(folder: Path) -> dict[str, str]:
    """Part to the birth of the gallery that it was written for; parts of an older Semblance say nothing and are left out."""
    import pyarrow.parquet as pq

    said = {path.name: (_explained(path, pq.read_schema).metadata or {}).get(_BIRTH, b"") for path in files(folder)}
    return {name: birth.decode("ascii", "replace") for name, birth in said.items() if birth}


def read(folder: Path, dim: int) -> Rows:
    """All parts of a folder in order; GalleryError names a part that is damaged."""
    import pyarrow as pa

    tables = [_read(path, dim=dim) for path in files(folder)]
    return from_arrow(pa.concat_tables(tables), dim) if tables else empty(dim)


def each(folder: Path, dim: int) -> Iterator[Rows]:
    """Part by part, for a gallery larger than the memory."""
    for path in files(folder):
        yield from_arrow(_read(path, dim=dim), dim)


def read_table(folder: Path) -> pd.DataFrame:
    """All parts without their embeddings."""
    import pyarrow as pa

    tables = [_read(path, NAMES) for path in files(folder)]
    return _frame(pa.concat_tables(tables)) if tables else empty(1).table


def ids(folder: Path) -> set[str]:
    return {text for path in files(folder) for text in _read(path, ["id"])["id"].to_pylist()}


def newest_ids(folder: Path, count: int) -> list[str]:
    """So many ids of the last part, the last row first; of what was committed last, without reading the others."""
    last = files(folder)[-1:]
    return [text for path in last for text in _read(path, ["id"])["id"].to_pylist()[: -count - 1 : -1]]


def find(folder: Path, picture_id: str) -> dict[str, Any] | None:
    """The row of one id, without embedding; None when there is none. Of the parts before it only ids are read."""
    import pyarrow.compute as pc

    for path in files(folder):
        place = pc.index(_read(path, ["id"])["id"], picture_id).as_py()
        if place >= 0:
            return dict(_frame(_read(path, NAMES).slice(place, 1)).iloc[0])
    return None


def count(folder: Path) -> int:
    """Rows of all parts, from the files' ends only."""
    import pyarrow.parquet as pq

    return sum(_explained(path, lambda path: pq.read_metadata(path).num_rows) for path in files(folder))


def drop(folder: Path, gone: Collection[str]) -> int:
    """Rewrite the parts that hold ids of `gone` without them; returns how many rows went."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lost = pa.array(sorted(gone), pa.string())
    return rewrite(folder, lambda table: table.filter(pc.invert(pc.is_in(table["id"], value_set=lost))))


def change(folder: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Give the rows of these ids other values of some columns; parts without such rows are left alone."""

    def changed(table: pa.Table) -> pa.Table:
        import pyarrow as pa

        ids = table["id"].to_pylist()
        if changes.keys().isdisjoint(ids):
            return table
        for name in schema.NAMES:
            new = {picture: values[name] for picture, values in changes.items() if name in values}
            if new.keys().isdisjoint(ids):
                continue
            if name in schema.named(TEXTS):
                new = {picture: schema.json_text(texts) for picture, texts in new.items()}
            values = [new.get(picture, old) for picture, old in zip(ids, table[name].to_pylist(), strict=True)]
            field = table.schema.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        return table

    rewrite(folder, changed)


def rewrite(folder: Path, change: Callable[[pa.Table], pa.Table], columns: Sequence[str] = COLUMNS) -> int:
    """Replace the parts to which `change` gives other rows or columns; returns how many rows went.

    columns: what it is given, for parts that were written with fewer. A kill leaves whole parts, old and new.
    """
    count = 0
    for path in files(folder):
        table = _read(path, columns)
        changed = change(table)
        if changed is not table and not changed.equals(table):
            count += len(table) - len(changed)
            _write(
                path, changed.replace_schema_metadata(table.schema.metadata)
            )  # also when it is empty: part numbers never go back, and no reader misses a file
    return count


def empty(dim: int) -> Rows:
    import numpy as np

    return Rows(schema.table(dict.fromkeys(NAMES, ())), np.zeros((0, dim), np.float32))


def _write(path: Path, table: pa.Table) -> Path:
    import pyarrow.parquet as pq

    with atomic.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    return path


def _read(path: Path, columns: Sequence[str] = COLUMNS, *, dim: int = 0) -> pa.Table:
    """dim: of the embeddings, 0 where the caller does not know it."""
    import pyarrow.parquet as pq

    def read(path: Path) -> pa.Table:
        table = pq.read_table(path, columns=list(columns), partitioning=None, page_checksum_verification=True)
        table = table.select(columns)  # KeyError for a column that is not there: read_table passes over it
        length = dim or getattr(table.schema.field(-1).type, "list_size", 0)
        written = _schema(length)
        for field in table.schema:  # hit where the file says what its columns are
            if field != written.field(field.name):
                raise ValueError(f"column {field.name} reads as {field.type}")
        return table

    return _explained(path, read)


def _explained(path: Path, read: Callable[[Path], Any]) -> Any:
    import pyarrow as pa

    try:
        return read(path)
    # a damaged file ends in almost any of these: KeyError for a column's name that was hit
    except (pa.ArrowException, OSError, KeyError, ValueError, OverflowError, MemoryError) as error:
        raise GalleryError(
            f"{path.name} in {path.parent} is damaged ({' '.join(str(error).split())[:200]}); move it away and ingest again: "
            "only its pictures are encoded anew"
        ) from error
