"""What was selected on a map: its pictures and labels, and what can be done with them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.explore.map_data import MapData
from app.explore.picture_panel import nearest, search_with, tile_of
from app.search.common_terms import common_terms
from app.server import store
from app.widgets import downloads
from app.widgets.charts import as_csv
from app.widgets.colours import Colouring
from app.widgets.literal import literal
from app.widgets.page import attempt, problem
from app.widgets.point_map import Shape
from app.widgets.results_grid import results_grid, tile
from app.widgets.tagging import tagging
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery
from pipeline.search.search import Query

PAGE = 48
MEAN_OF = 256  # pictures: the mean of more says the same
LIKE_THESE = 24
LABELS = 10


def selection_panel(
    gallery: Gallery, data: MapData, shown: Colouring, *, only: Sequence[str], shape: Shape | None
) -> None:
    """Pictures inside the shape that belong to the isolated entries; nothing without either."""
    _undo(gallery)
    problem()
    if shape is None and not only:
        return
    taken = shown.among(only)
    if shape is not None:
        taken = taken & shape.takes(data.points)
    table = data.table[taken]
    with st.container(border=True, key="map-selection"):
        if table.empty:
            st.markdown("**Nothing selected.** No picture lies inside the shape; Escape on the map takes it away.")
            return
        st.markdown(f"**{len(table):,} selected** of {len(data.table):,}")
        st.text(_counts(table["label"]))
        common_terms(gallery, table["id"].tolist())
        _actions(gallery, data, table, taken)
        _pictures(gallery, table)


def _counts(labels: pd.Series) -> str:
    counts = labels.replace("", "no label").value_counts()
    said = [f"{name} {count:,}" for name, count in counts.head(LABELS).items()]
    rest = counts.iloc[LABELS:]
    return " · ".join(said + ([f"{len(rest):,} other labels {rest.sum():,}"] if len(rest) else []))


def _actions(gallery: Gallery, data: MapData, table: pd.DataFrame, taken: pd.Series) -> None:
    ids = table["id"].tolist()
    with st.container(horizontal=True):
        with st.popover("Tag", icon=":material/sell:"):
            tagging(gallery, ids, key="map")
        st.button(
            "More like these",
            icon=":material/image_search:",
            help="The nearest pictures to the mean of the selection",
            on_click=lambda: st.session_state.update({"map-like": ids}),
        )
        downloads.button("CSV", f"{gallery.name}-selection.csv", lambda: as_csv(_flat(data, table, taken)))
        downloads.button(
            "Zip",
            f"{gallery.name}-selection.zip",
            lambda: downloads.as_zip(gallery, table),
            icon="folder_zip",
            help="The pictures' files, in folders by label",
        )
        with st.popover("Remove", icon=":material/delete:"):
            st.markdown(f"Take {len(ids):,} out of the gallery? Files on disk are left alone, and it can be undone.")
            st.button(f"Remove {len(ids):,}", type="primary", on_click=_remove, args=(gallery, ids))
    if st.session_state.get("map-like") == ids:
        _like_these(gallery, ids)


def _like_these(gallery: Gallery, ids: list[str]) -> None:
    asked = ids if len(ids) <= MEAN_OF else random.Random(0).sample(ids, MEAN_OF)
    try:
        result = nearest(gallery, Query(ids=tuple(asked)), min(LIKE_THESE + len(ids), 1000))
    except SemblanceError as error:
        st.error(literal(error))
        return
    inside = set(ids)
    hits = [pair for pair in zip(result.hits, result.percentiles, strict=True) if pair[0].id not in inside][:LIKE_THESE]
    st.markdown("**More like these**" if hits else "**Nothing else is near these.**")
    st.caption(
        "Nearest to the mean of the selection and not in it."
        + (f" {MEAN_OF} of them stand for all." if len(ids) > MEAN_OF else "")
    )
    tiles = [tile(gallery.name, hit, percentile=p, weak=hit.score < result.weak_below) for hit, p in hits]
    if tiles:
        results_grid(tiles, key="map-like-grid", actions=("open",))


def _pictures(gallery: Gallery, table: pd.DataFrame) -> None:
    pages = -(-len(table) // PAGE)
    page = st.pagination(pages, key=f"map-page-{pages}") if pages > 1 else 1
    some = table.iloc[(page - 1) * PAGE : page * PAGE]
    tiles = [tile_of(gallery, row) for row in some.itertuples()]
    results_grid(
        tiles, key="map-selected", actions=("search", "open"), on_action=lambda: search_with(gallery, "map-selected")
    )


def _flat(data: MapData, table: pd.DataFrame, taken: pd.Series) -> pd.DataFrame:
    points = data.map.points.loc[taken, list(data.map.axes)].reset_index(drop=True)
    return pd.concat([downloads.flat(table), points], axis=1)


def _remove(gallery: Gallery, ids: list[str]) -> None:
    if attempt(store.remove, gallery, ids):
        st.session_state["map-removed"] = (gallery.name, ids)
        st.query_params.pop("select", None)


def _undo(gallery: Gallery) -> None:
    """Until something else is removed."""
    name, ids = st.session_state.get("map-removed", ("", []))
    if name == gallery.name and ids:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{len(ids):,} removed** from the gallery.")
            st.button("Undo", icon=":material/undo:", on_click=_restore, args=(gallery, ids), key="map-undo")


def _restore(gallery: Gallery, ids: list[str]) -> None:
    store.restore(gallery, ids)
    del st.session_state["map-removed"]
