"""Beside a map: the picture that was picked and its nearest ones, which the map may have put elsewhere."""

from __future__ import annotations

import streamlit as st

from app import VIEWS
from app.explore.map_data import MapData
from app.search import query_state
from app.server import store
from app.widgets import states
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile_of, tiles_of
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery
from pipeline.search import search as searching
from pipeline.search.search import Query, SearchResult

NEAREST = 6
SIDE = 104  # pixels: two beside each other
SEARCH = VIEWS / "search.py"


def picture_panel(gallery: Gallery, data: MapData, picked: str, *, hint: bool = True) -> list[str]:
    """Ids of the nearest pictures, so that the map can ring them. hint: what can be done, while no picture is picked."""
    row = data.table[data.table["id"] == picked]
    if row.empty and not hint:
        return []
    if row.empty:
        st.markdown("**Pick a point** to see its picture and the nearest ones.")
        st.caption(
            "Drag to move and scroll to zoom. *Lasso* and *Box* select pictures; a click on the legend shows one group "
            "alone; *Pictures* draws them instead of points."
        )
        return []
    tiles = [tile_of(gallery.name, next(row.itertuples()))]
    results_grid(
        tiles,
        side=SIDE,
        key="map-picked",
        actions=("search", "open", "choose"),
        of=gallery.name,
        on_action=lambda: search_with(gallery, "map-picked"),
    )
    try:
        result = nearest(gallery, Query(ids=(picked,)), NEAREST)
    except SemblanceError as error:
        st.error(literal(error))
        return []
    st.caption("Nearest by the encoder, whatever the map shows:")
    with st.container(key="map-near"):
        results_grid(
            tiles_of(gallery.name, result),
            key="map-nearest",
            side=SIDE,
            actions=("search", "open", "choose"),
            of=gallery.name,
            on_action=lambda: search_with(gallery, "map-nearest"),
        )
    return [hit.id for hit in result.hits]


def nearest(gallery: Gallery, query: Query, k: int) -> SearchResult:
    """By Milvus, or from the files when it fails."""
    return store.answered(gallery, lambda index: searching.search(gallery, index, None, query, k=k))[0]


def search_with(gallery: Gallery, key: str) -> None:
    """A click on "Search with this" in the grid `key`: the page then goes over to the Search page."""
    kind, picture = states.action(key)
    if kind == "search":
        query_state.change(**query_state.NOTHING | {"gallery": gallery.name, "ids": (picture,)})
        st.session_state["to-search"] = True


def go_to_search() -> None:
    """A callback cannot leave the page, so what it wished is done by the next run."""
    if st.session_state.pop("to-search", False):
        st.switch_page(SEARCH, query_params=query_state.current().address())
