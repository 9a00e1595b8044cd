"""A map as the page needs it, made once for all sessions: every picture's point and row, and the few that are drawn."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from app.server import resources
from app.server.routes import publish
from pipeline.analysis import projection, selection
from pipeline.analysis.projection import Map
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

TILE = 32  # pixels
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


@dataclass(frozen=True)
class Grid:
    """sent: of each drawn point its column and row, float32, nan for one without a cell. sheet: a JPEG of all cells, each
    TILE pixels a side."""

    sent: bytes
    sheet: bytes
    columns: int
    rows: int
    pictures: int


def grid(gallery: Gallery, data: MapData) -> Grid:
    """The drawn points of a map, a sample of them where there are many, in cells of a grid."""

    def made() -> Grid:
        with st.spinner("Laying out the pictures …"):
            places, columns, rows = selection.in_cells(data.points[data.drawn], seed=data.map.about["seed"])
            there = np.flatnonzero(np.isfinite(places[:, 0]))
            sheet = Image.new("RGB", (columns * TILE, rows * TILE), (128, 128, 128))
            for column, row, picture in zip(
                *places[there].astype(int).T, data.table["id"].to_numpy()[data.drawn[there]], strict=True
            ):
                if thumbnail := gallery.thumbnail_data(picture):
                    image = Image.open(io.BytesIO(thumbnail))
                    image.draft("RGB", (TILE, TILE))  # of a JPEG only as much is decoded as is wanted
                    sheet.paste(ImageOps.fit(image.convert("RGB"), (TILE, TILE)), (column * TILE, row * TILE))
            jpeg = io.BytesIO()
            sheet.save(jpeg, "JPEG", quality=85)
        return Grid(places.tobytes(), jpeg.getvalue(), columns, rows, len(there))

    return resources.kept(gallery, "grid", data.map.name, make=made)


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
