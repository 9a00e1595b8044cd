"""Reads what `prepare` wrote: pixels in memory order, labels as numbers, splits as index arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prepared:
    """pixels: (n, side, side, 3) uint8, read from the disk as they are touched. labels: (n,) int64."""

    folder: Path
    about: dict[str, Any]
    pixels: np.ndarray
    table: pd.DataFrame

    @cached_property
    def labels(self) -> np.ndarray:
        return np.searchsorted(self.about["labels"], self.table["label"]).astype(np.int64)

    @cached_property
    def items(self) -> np.ndarray:
        """(n,) int64: equal where two pictures show the same item; the label where no item was named."""
        return self._codes("item", self.labels)

    @cached_property
    def categories(self) -> np.ndarray:
        """(n,) int64: equal where two items are easily taken for each other; of one item each where nothing says so."""
        return self._codes("category", self.items)

    def _codes(self, column: str, instead: np.ndarray) -> np.ndarray:
        named = column in self.table and (self.table[column] != "").any()
        return np.unique(self.table[column], return_inverse=True)[1] if named else instead

    def split(self, name: str, *, open_set: bool | None = None) -> np.ndarray:
        """Indices of a split. open_set: True only the labels held out, False only the others, None all."""
        chosen = (self.table["split"] == name).to_numpy()
        if open_set is not None:
            chosen = chosen & (self.table["open"].to_numpy() == open_set)
        return np.flatnonzero(chosen)


def load(folder: Path) -> Prepared:
    """UsageError when nothing was prepared there, or when it was cut off."""
    import pandas as pd

    folder = Path(folder).expanduser()
    try:
        about = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
        pixels = np.load(folder / "pixels.npy", mmap_mode="r")
        table = pd.read_parquet(folder / "pictures.parquet")
        whole = len(pixels) == len(table)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder} holds no prepared pictures ({error}); make them with: python -m training prepare DATASET {folder}"
        ) from error
    if not whole:
        raise UsageError(f"{folder} is damaged: {len(pixels):,} pictures but {len(table):,} rows; prepare it again")
    return Prepared(folder, about, pixels, table)
