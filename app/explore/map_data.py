"""A map as the page needs it, made once for all sessions: every picture's point and row, and the few that are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app.server import resources
from app.server.routes import publish
from pipeline.analysis import projection, selection
from pipeline.analysis.projection import Map
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

DRAWN = 50_000  # points; of more a sample is drawn, and a lasso still takes from all


@dataclass(frozen=True)
class MapData:
    """points: (n, 2 or 3) float32 within -1 and 1. table: their rows, in the same order. drawn: rows of the sample."""

    map: Map
    points: np.ndarray
    table: pd.DataFrame
    drawn: np.ndarray
    middle: np.ndarray
    half: float
    sent: bytes  # the drawn points: n × axes float32, then n × 16 bytes of ids
    varied: tuple[str, ...]  # of label and split, those with two values or more

    def address(self) -> str:
        return publish(self.sent)

    def scaled(self, point: np.ndarray) -> list[float]:
        return ((point - self.middle) / self.half).astype(float).tolist()


def map_data(gallery: Gallery, name: str) -> MapData:
    """GalleryError when there is no such map, or a damaged one."""
    return resources.kept(gallery, "map", name, make=lambda: _read(gallery, name))


def _read(gallery: Gallery, name: str) -> MapData:
    with st.spinner("Reading the map …"):
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
    drawn = selection.stratified(table["label"].to_numpy(), DRAWN, seed=made.about["seed"])
    scaled = np.ascontiguousarray((points - middle) / half, np.float32)
    sent = scaled[drawn].tobytes() + bytes.fromhex("".join(table["id"].to_numpy()[drawn]))
    varied = tuple(name for name in ("label", "split") if table[name].nunique() > 1)
    return MapData(made, scaled, table, drawn, middle, half, sent, varied)
