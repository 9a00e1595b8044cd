"""A map as the page needs it, made once for all sessions: every picture's point and row, the few that are drawn, and the
component that draws them: points by address, what a visitor picks, circles or isolates by callback."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from app.server import resources
from app.server.routes import publish
from app.widgets import component, states
from pipeline.analysis import map_points, selection
from pipeline.analysis.map_points import MapPoints
from pipeline.analysis.selection import MAX_CORNERS, Shape
from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery

TILE = 32  # pixels
_SCRIPTS = ("point_map_draw.js", "point_map.js", "point_map_hands.js")
DRAWN = 50_000  # points; of more a sample is drawn, and a lasso still takes from all


@dataclass(frozen=True)
class MapData(MapPoints):
    """sample: rows that are drawn. sent: their points, n × axes float32, then n × 16 bytes of ids."""

    sample: np.ndarray
    sent: bytes

    def address(self) -> str:
        return publish(self.sent)


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
            places, columns, rows = selection.in_cells(data.points[data.sample], seed=data.map.about["seed"])
            there = np.flatnonzero(np.isfinite(places[:, 0]))
            sheet = Image.new("RGB", (columns * TILE, rows * TILE), (128, 128, 128))
            for column, row, picture in zip(
                *places[there].astype(int).T, data.table["id"].to_numpy()[data.sample[there]], strict=True
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
        read = map_points.of_gallery(gallery, name)
    drawn = read.drawn(DRAWN)
    sent = read.points[drawn].tobytes() + bytes.fromhex("".join(read.table["id"].to_numpy()[drawn]))
    return MapData(**vars(read), sample=drawn, sent=sent)


def shape_from(value: Any) -> Shape | None:
    """What the component sends; UsageError for what it never does."""
    if not value:
        return None
    corners = states.part(value, "polygon")
    if not isinstance(corners, list) or len(corners) > MAX_CORNERS:
        raise UsageError("this is no shape with corners; draw it anew")
    polygon = tuple((x, y) for x, y in (states.numbers(corner, 2) for corner in corners))
    turn = value.get("turn")
    yaw, pitch = states.numbers(turn, 2) if turn else (0.0, 0.0)
    return Shape(polygon, (yaw, pitch) if turn else None) if len(polygon) >= 3 else None


def point_map(data: dict[str, Any], *, key: str, on_changed: Callable[[], None]) -> None:
    """`session_state[key]` holds, in its callback, changed = {shape, only, look} as they are now, with picked (an id) or add
    (a new shape beside what is selected) where that is what happened."""
    component("point_map", _SCRIPTS)(data=data, key=key, on_changed_change=on_changed)
