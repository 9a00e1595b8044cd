"""Giving the gallery in view another index of Milvus: what it has, what was measured, and one button."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.server import store
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from pipeline.comparison import index_advice
from pipeline.errors import SemblanceError, UsageError, display_name
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync

AUTO = "auto"


def index_choice(gallery: Gallery, table: pd.DataFrame) -> None:
    """table: of index_charts.table_of; its Milvus rows can be chosen."""
    st.subheader("The index of this gallery", anchor=False)
    has = _now(gallery)
    if has:
        st.markdown(has)
    found = {AUTO: "As Milvus sees fit: every row compared in the embedded one, HNSW on a server"}
    for row in table[table["error"] == ""].itertuples():
        if setting := index_advice.setting_of(row.spec):
            found.setdefault(
                setting,
                f"{setting}: ann_recall {row.ann_recall:.4f}, {row.p50_ms:.2f} ms a query, built in {row.build_seconds:.1f} s",
            )
    chosen = gallery.manifest().get("index", "") or AUTO
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.selectbox(
            "Index",
            list(found),
            index=list(found).index(chosen) if chosen in found else 0,
            format_func=found.__getitem__,
            key=f"index-wanted-{gallery.name}",
        )
        st.button(
            "Use it",
            type="primary",
            icon=":material/check:",
            disabled=wanted == chosen,
            on_click=attempt,
            args=(_use, gallery, wanted, list(found)),
            help="The index is built anew in the background; until then every picture is compared",
            key=f"index-use-{gallery.name}",
        )
    problem()


@st.fragment(run_every=1.0)
def _being_built(gallery: Gallery) -> None:
    if store.refresh(gallery, again=False).done():
        st.rerun()
    st.markdown("The index is being built; until then every picture is compared.")


def _now(gallery: Gallery) -> str:
    if not store.refresh(gallery, again=False).done():
        _being_built(gallery)
        return ""
    try:
        about = store.store().describe(gallery.collection())
    except SemblanceError as error:
        st.warning(f"Milvus cannot say which index it has: {literal(error)}")
        return ""
    return f"**{literal(about['settings'])}** over {about['rows']:,} rows in {literal(about['backend'])}."


def _use(gallery: Gallery, wanted: str, offered: Sequence[str]) -> None:
    if wanted not in offered:  # a browser may send any text
        raise UsageError(f"no index {display_name(wanted)} was measured here; choose one of the list")
    sync.choose_index(gallery, store.store(), "" if wanted == AUTO else wanted)
    store.refresh(gallery)
