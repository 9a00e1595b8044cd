"""What every store refuses: a Milvus server's rules, checked before anything is sent.

Milvus Lite accepts NaN, over-long text and any k; a server does not. Checking here, once, keeps a gallery that was
made on one store valid on the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline.errors import StoreError
from pipeline.stores._wire import sendable, sendable_key

if TYPE_CHECKING:
    import numpy as np

    from pipeline.records import Rows

MAX_K = 16_384
MAX_DIM = 32_768
TEXT_BYTES = {"id": 64, "parent": 64, "box": 64, "path": 8192, "label": 1024, "split": 256}
METADATA_BYTES = 60_000  # a server's JSON field holds 65,536


def check_name(name: str) -> None:
    """StoreError unless `name` can name a collection or an alias on a server."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", name):
        raise StoreError(
            f"{name!r} cannot name a collection; use up to 255 of A-Z a-z 0-9 and _, and start with no digit"
        )


def check_dim(collection: str, dim: int) -> None:
    if not 2 <= dim <= MAX_DIM:
        raise StoreError(f"collection {collection!r}: dim is {dim}; a store takes 2 to {MAX_DIM}")


def check_k(k: int) -> None:
    if not 1 <= k <= MAX_K:
        raise StoreError(f"k is {k}; ask for 1 to {MAX_K} hits")


def check_vectors(what: str, vectors: np.ndarray, dim: int) -> np.ndarray:
    """`vectors` as (n, dim) float32; StoreError for another dim, a value that is not finite, or a length of 0."""
    import numpy as np

    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != dim:
        raise StoreError(
            f"{what} have shape {array.shape}, the collection holds dim {dim}; they come from another encoder: "
            "use the gallery's own, or run `python -m pipeline reencode NAME --encoder SPEC`"
        )
    if len(bad := np.flatnonzero(~np.isfinite(array).all(axis=1))):
        raise StoreError(f"{what}: number {bad[0]} holds NaN or infinity; the encoder is broken for that picture")
    if len(bad := np.flatnonzero(~array.any(axis=1))):
        raise StoreError(f"{what}: number {bad[0]} is all zero and has no direction to compare")
    return array


def check_rows(rows: Rows, dim: int) -> np.ndarray:
    """The embeddings as (n, dim) float32; StoreError names the first row that a server would refuse."""
    if len(rows.table) != len(rows.embeddings):
        raise StoreError(f"{len(rows.table)} rows came with {len(rows.embeddings)} embeddings")
    embeddings = check_vectors("embeddings", rows.embeddings, dim)
    for column, limit in TEXT_BYTES.items():
        for number, value in enumerate(rows.table[column].tolist()):
            _check_text(column, number, value, limit)
    for number, metadata in enumerate(rows.table["metadata"].tolist()):
        _check_metadata(number, metadata)
    if len(empty := rows.table.index[rows.table["id"] == ""]):
        raise StoreError(f"row {rows.table.index.get_loc(empty[0])} has no id")
    return embeddings


def _check_text(column: str, number: int, value: Any, limit: int) -> None:
    if not isinstance(value, str):
        raise StoreError(f"row {number}: {column} is {value!r}, not text")
    if len(value) * 8 > limit and (size := len(sendable(value).encode())) > limit:
        raise StoreError(
            f"row {number}: {column} takes {size:,} bytes of UTF-8 and {limit:,} fit; shorten {value[:40]!r}…"
        )


def _check_metadata(number: int, metadata: Any) -> None:
    if not isinstance(metadata, dict):
        raise StoreError(f"row {number}: metadata is {metadata!r}, not a dict of text")
    size = 0
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise StoreError(f"row {number}: metadata {key!r} is {value!r}; keys and values are text")
        size += len(sendable_key(key).encode()) + len(sendable(value).encode()) + 6
    if size > METADATA_BYTES:
        raise StoreError(f"row {number}: metadata takes {size:,} bytes and {METADATA_BYTES:,} fit; drop a column")


def no_collection(collection: str, there: list[str]) -> str:
    return (
        f"no collection {collection!r} in the store; it has {', '.join(there) or 'none'}. "
        f"`python -m pipeline sync {collection.partition('__')[0]}` fills it from the gallery on disk"
    )
