"""What can be done with the hits that a visitor ticked."""

from __future__ import annotations

import streamlit as st

from app.search import query_state
from app.server import store
from app.widgets import downloads, states
from app.widgets.charts import as_csv
from app.widgets.page import attempt
from app.widgets.tagging import tagging
from pipeline.gallery.gallery import Gallery

MOST = 64  # pictures that are asked with together: an address holds no more, and the mean of more says much the same


def chosen(gallery: Gallery, key: str) -> None:
    """For a callback: a button of the grid's tray."""
    if (does := states.sent(key, "chosen")) is None:
        return
    kind, ids = states.text(states.part(does, "kind")), list(states.texts(states.part(does, "ids")))
    if kind == "search":
        query_state.change(**query_state.NOTHING | {"ids": tuple(ids[:MOST])})
    elif kind == "remove" and attempt(store.remove, gallery, ids):
        st.session_state["removed"] = (gallery.name, tuple(ids), query_state.current())
    elif kind == "more":
        st.session_state["selected"] = ids


def offer(gallery: Gallery) -> None:
    """The dialog of the last click on the tray, once."""
    if ids := st.session_state.pop("selected", None):
        _dialog(gallery, ids)


@st.dialog("Tag or export the selection", width="medium")
def _dialog(gallery: Gallery, ids: list[str]) -> None:
    table = gallery.table()
    table = table[table["id"].isin(ids)].reset_index(drop=True)
    st.markdown(f"**{len(table):,} selected**")
    tagging(gallery, table["id"].tolist(), key="search")
    with st.container(horizontal=True):
        downloads.button("CSV", f"{gallery.name}-selection.csv", lambda: as_csv(downloads.flat(table)))
        files = "The pictures' files, in folders by label"
        downloads.button(
            "Zip",
            f"{gallery.name}-selection.zip",
            lambda: downloads.as_zip(gallery, table),
            icon="folder_zip",
            help=files,
        )
