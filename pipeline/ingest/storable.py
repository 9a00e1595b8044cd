"""Whether every store takes a row: an over-long text or an embedding that is not finite is refused before the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline import plugins
from pipeline.errors import StoreError
from pipeline.records import Rows, VectorStore

if TYPE_CHECKING:
    import numpy as np


def faults(rows: list[dict[str, Any]], embeddings: np.ndarray) -> list[str]:
    """What is wrong with each row, "" for nothing. rows: columns of records.Rows.table; embeddings: (n, dim)."""
    import numpy as np

    lengths = np.linalg.norm(embeddings, axis=1)
    if np.isfinite(lengths).all() and lengths.all() and all(map(_is_short, rows)):
        return [""] * len(rows)
    return [_fault(row, embeddings[i : i + 1]) for i, row in enumerate(rows)]


def _fault(row: dict[str, Any], embedding: np.ndarray) -> str:
    """The exact store's answer: it refuses what any store refuses."""
    import pandas as pd

    probe: VectorStore = plugins.build("stores", "exact")
    try:
        probe.create("probe", dim=embedding.shape[1])
        probe.upsert("probe", Rows(pd.DataFrame([row]), embedding))
    except StoreError as error:
        return str(error).removeprefix("row 0: ")
    return ""


def _is_short(row: dict[str, Any]) -> bool:
    """Far below every store's limits, so that only an unusual row costs the thorough check."""
    texts = [row["path"], row["label"], *row["metadata"], *row["metadata"].values()]
    return max(map(len, texts)) <= 200 and len(texts) <= 40 and len(row["split"]) <= 60
