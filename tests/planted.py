"""Galleries of embeddings that a test has chosen, without pictures behind them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.records import Rows
from pipeline.schema import NAMES
from pipeline.settings import Settings


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def groups(counts: Sequence[int], *, spread: float = 0.2, dim: int = 16, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """So many unit-length rows around each of a few random directions, and the group of each row."""
    random = np.random.default_rng(seed)
    which = [group for group, count in enumerate(counts) for _ in range(count)]
    centres = unit(random.normal(size=(len(counts), dim)))
    return unit(centres[which] + spread * random.normal(size=(len(which), dim)) / dim**0.5), which


def plant(
    embeddings: np.ndarray,
    *,
    labels: Sequence[str] | str = "cup",
    metadata: Sequence[dict[str, str]] | None = None,
    parents: Sequence[str] | None = None,
    name: str = "small",
) -> Gallery:
    """A gallery of these embeddings; the ids are 000…0, 000…1 in their order. Again adds more after them."""
    made = create_gallery(name, Settings())
    first = len(made.ids())
    ids = [f"{number:032x}" for number in range(first, first + len(embeddings))]
    table = pd.DataFrame(dict.fromkeys(NAMES, ""), index=range(len(ids)))
    table = table.assign(id=ids, path=[f"{one[-4:]}.jpg" for one in ids], width=8, height=8)
    table = table.assign(label=labels, metadata=list(metadata or [{} for _ in ids]))
    if parents is not None:
        table["parent"] = list(parents)
        table["box"] = ["0,0,8,8" if parent else "" for parent in parents]
    with made.writing():
        short = made.add_encoder("color_histogram", "ab" * 32, embeddings.shape[1])
        made.commit(short, Rows(table, embeddings))
    return made
