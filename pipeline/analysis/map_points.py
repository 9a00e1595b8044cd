"""A map's points, on one scale, beside the rows of their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.analysis import projection, selection
from pipeline.analysis.projection import Map
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MapPoints:
    """points: (n, 2 or 3) float32 within -1 and 1, (point of the map - middle) / half. table: their rows, in the same order."""

    map: Map
    points: np.ndarray
    table: pd.DataFrame
    middle: np.ndarray
    half: float
    varied: tuple[str, ...]  # of label and split, those with two values or more

    def scaled(self, point: np.ndarray) -> list[float]:
        scaled: list[float] = ((point - self.middle) / self.half).astype(float).tolist()
        return scaled

    def drawn(self, most: int) -> np.ndarray:
        """Rows, ascending, of at most so many points: each label has its share."""
        return selection.stratified(self.table["label"].to_numpy(), most, seed=self.map.about["seed"])


def of_gallery(gallery: Gallery, name: str) -> MapPoints:
    """GalleryError when there is no such map, or a damaged one."""
    made = projection.read_map(gallery, name)
    table = gallery.table()
    if table["id"].tolist() != (ids := made.points["id"].tolist()):
        row = dict(zip(table["id"], range(len(table)), strict=True))
        kept = [i for i, one in enumerate(ids) if one in row]  # a picture may go between two readings
        made.points.drop(index=made.points.index.difference(kept), inplace=True)
        table = table.iloc[[row[ids[i]] for i in kept]].reset_index(drop=True)
    points = made.points[list(made.axes)].to_numpy(np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6)
    varied = tuple(name for name in ("label", "split") if table[name].nunique() > 1)
    return MapPoints(made, np.ascontiguousarray((points - middle) / half, np.float32), table, middle, half, varied)
