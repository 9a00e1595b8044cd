"""Exchange as one NPZ file, for NumPy without any other library: `numpy.load(file)["embedding"]`.

Arrays: embedding (n, dim) float32; of the columns of schema.Row text as (n,) unicode, whole numbers as (n,) int32 and
metadata as (n,) JSON in unicode; facts () as JSON in unicode. Nothing is pickled, and nothing pickled is read.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.errors import UsageError
from pipeline.exchange.rows import Facts, foreign, unreadable
from pipeline.files import atomic
from pipeline.gallery import parts
from pipeline.records import Rows
from pipeline.schema import TEXT, TEXTS, WHOLE

if TYPE_CHECKING:
    import numpy as np

MAX_COLUMN_BYTES = 1 << 30  # of text: NumPy gives every one the width of the longest, 4 bytes a character


def write(target: Path, facts: Facts, rows: Rows) -> None:
    """UsageError for text that NumPy cannot hold: one that ends in a zero character, or one far longer than the others."""
    import numpy as np

    flat = schema.flat(rows.table)
    columns = {name: _texts(name, flat[name]) for name in schema.named(TEXT, TEXTS)}
    columns |= {name: np.array(flat[name], np.int32) for name in schema.named(WHOLE)}
    columns["embedding"] = rows.embeddings.astype(np.float32, copy=False)
    noted = {"spec": facts.spec, "fingerprint": facts.fingerprint, "title": facts.title, "datasets": facts.datasets}
    columns["facts"] = np.array(json.dumps(noted, ensure_ascii=False))
    with atomic.replacing(target) as temporary, temporary.open("wb") as out:
        np.savez_compressed(out, allow_pickle=False, **columns)


def read(source: Path) -> tuple[Facts, Rows]:
    """UsageError when the file is damaged or another thing."""
    import numpy as np

    try:
        with source.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is no archive of arrays")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as arrays:
                names = (*parts.COLUMNS, "facts")
                if lacking := [name for name in names if name not in arrays]:
                    raise foreign(source, f"it has no {', '.join(lacking)}")
                columns = {name: arrays[name] for name in names}
    # a damaged archive ends in almost any of these
    except (
        *(OSError, EOFError, ValueError, KeyError, MemoryError, SyntaxError, OverflowError, NotImplementedError),
        *(RuntimeError, zipfile.BadZipFile, zlib.error, struct.error),
    ) as error:
        raise unreadable(source, error) from error
    return _taken(source, columns)


def _texts(name: str, values: list[str]) -> np.ndarray:
    import numpy as np

    if 4 * len(values) * max(map(len, values), default=0) > MAX_COLUMN_BYTES:
        raise UsageError(f"a text in the column {name} is too long for an .npz file; export to .parquet instead")
    if any(value.endswith("\0") for value in values):
        raise UsageError(f"a text in the column {name} ends in a zero character, which .npz loses; export to .parquet")
    return np.array(values, dtype=np.str_)


def _taken(source: Path, columns: dict[str, Any]) -> tuple[Facts, Rows]:
    embedding = columns["embedding"]
    n = len(embedding) if embedding.ndim == 2 else -1
    kinds = {one.name: "i" if one.type is WHOLE else "U" for one in schema.COLUMNS}
    wrong = [name for name, kind in kinds.items() if columns[name].dtype.kind != kind or columns[name].shape != (n,)]
    if wrong or embedding.dtype.name != "float32" or columns["facts"].shape or columns["facts"].dtype.kind != "U":
        raise foreign(source, f"{', '.join(wrong) or 'embedding or facts'} has another type or length")
    try:
        noted = json.loads(str(columns["facts"]))
        facts = Facts(
            str(noted["spec"]),
            str(noted["fingerprint"]),
            embedding.shape[1],
            str(noted["title"]),
            tuple(noted["datasets"]),
        )
        texts = {name: [dict(json.loads(text)) for text in columns[name].tolist()] for name in schema.named(TEXTS)}
    except (ValueError, KeyError, TypeError) as error:
        raise foreign(source, f"its facts or metadata cannot be read ({error})") from error
    values = {name: columns[name].tolist() for name in schema.NAMES}
    return facts, Rows(schema.table(values | texts), embedding)
