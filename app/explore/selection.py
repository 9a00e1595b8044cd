"""What was circled or isolated on a map: it is what is selected, and its pictures, labels and places are shown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.explore.map_data import MapData
from app.explore.picture_panel import SIDE, search_with
from app.search.common_terms import common_terms
from app.widgets import downloads, selection
from app.widgets.charts import as_csv
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile_of
from pipeline.analysis.colouring import Colouring
from pipeline.analysis.selection import Shape
from pipeline.gallery.gallery import Gallery

PAGE = 24
LABELS = 10


def selection_panel(
    gallery: Gallery, data: MapData, shown: Colouring, *, only: Sequence[str], shape: Shape | None
) -> None:
    """Pictures inside the shape that belong to the isolated entries; nothing without either."""
    if shape is None and not only:
        return
    taken = shown.among(only)
    if shape is not None:
        taken = taken & shape.takes(data.points)
    table = data.table[taken]
    with st.container(key="map-selection", gap="small"):
        if table.empty:
            st.markdown("**Nothing selected.** No picture lies inside the shape; Escape on the map takes it away.")
            return
        ids = table["id"].tolist()
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"):
            said = f"**{len(table):,} {'selected' if shape else 'shown'}** of {len(data.table):,}"
            st.markdown(said, width="content")
            downloads.button(
                "CSV",
                f"{gallery.name}-map.csv",
                lambda: as_csv(_flat(data, table, taken)),
                help="These pictures with their places on the map",
            )
        if shape is None:
            selection.button(gallery.name, "Select all", lambda: ids, key="map-select", type="primary")
        st.caption(literal(_counts(table["label"])))
        _pictures(gallery, table)
        common_terms(gallery, ids)
        if shape is not None:
            token = " ".join((shape.text(), data.map.name, shown.title, *only))
            selection.put(gallery.name, ids, token=token, add=st.session_state.get("map-adds", False))


def _counts(labels: pd.Series) -> str:
    counts = labels.replace("", "no label").value_counts()
    said = [f"{name} {count:,}" for name, count in counts.head(LABELS).items()]
    rest = counts.iloc[LABELS:]
    return " · ".join(said + ([f"{len(rest):,} other labels {rest.sum():,}"] if len(rest) else []))


def _pictures(gallery: Gallery, table: pd.DataFrame) -> None:
    pages = -(-len(table) // PAGE)
    key = f"map-page-{pages}"
    page = min(st.session_state.get(key, 1), pages)
    some = table.iloc[(page - 1) * PAGE : page * PAGE]
    results_grid(
        [tile_of(gallery.name, row) for row in some.itertuples()],
        key="map-selected",
        side=SIDE,
        actions=("search", "open", "choose"),
        of=gallery.name,
        on_action=lambda: search_with(gallery, "map-selected"),
    )
    if pages > 1:
        st.pagination(pages, key=key)


def _flat(data: MapData, table: pd.DataFrame, taken: pd.Series) -> pd.DataFrame:
    points = data.map.points.loc[taken, list(data.map.axes)].reset_index(drop=True)
    return pd.concat([downloads.flat(table), points], axis=1)
