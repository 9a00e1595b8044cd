"""What every store refuses: a Milvus server's rules, checked before anything is sent.

Milvus Lite accepts NaN, over-long text and any k; a server does not. Checking here, once, keeps a gallery that was
made on one store valid on the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline import schema
from pipeline.errors import StoreError

if TYPE_CHECKING:
    import numpy as np

    from pipeline.records import Rows

MAX_K = 16_384
MAX_DIM = 32_768


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
    for number, fault in enumerate(schema.embedding_faults(array)):
        if fault:
            raise StoreError(f"{what}: number {number} {fault}")
    return array


def check_rows(rows: Rows, dim: int) -> np.ndarray:
    """The embeddings as (n, dim) float32; StoreError names the first row that a server would refuse."""
    if len(rows.table) != len(rows.embeddings):
        raise StoreError(f"{len(rows.table)} rows came with {len(rows.embeddings)} embeddings")
    embeddings = check_vectors("embeddings", rows.embeddings, dim)
    for column in schema.COLUMNS:  # row by row takes three times as long (measured)
        for number, value in enumerate(rows.table[column.name].tolist()):
            if fault := column.fault(value):
                raise StoreError(f"row {number}: {fault}")
    return embeddings


def no_collection(collection: str, existing: list[str]) -> str:
    return (
        f"no collection {collection!r} in the store; it has {', '.join(existing) or 'none'}. "
        f"`python -m pipeline sync {collection.partition('__')[0]}` fills it from the gallery on disk"
    )
