"""The gallery's curve for the page: measured here where that is quick, else by a child process."""

from __future__ import annotations

import streamlit as st

from app.server import jobs
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import drawn_pairs, verification
from pipeline.recognition.verification import Curve

QUICK_BYTES = 8_000_000  # bytes of embeddings, read and measured within a second


def groupings(gallery: Gallery) -> list[str]:
    """What makes two pictures the same here: `label`, metadata fields, pairs from a file, or nothing."""
    return [*_groupings(gallery.version, gallery), *verification.lists(gallery)]


def measured_curve(gallery: Gallery, by: str) -> Curve | None:
    """None while there is none, and the page has said what to do."""
    kept = verification.kept_curve(gallery, by=by)
    fresh = kept is not None and kept.report["generation"] == gallery.generation
    if not fresh and gallery.count() * gallery.encoder()["dim"] * 4 <= QUICK_BYTES:
        return verification.curve(gallery, by=by)
    if not fresh:
        reason = (
            "The gallery has changed since its pairs were measured."
            if kept
            else "No pairs of this gallery are measured yet."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f":material/history: {literal(reason)}")
            st.button("Measure pairs", icon=":material/play_arrow:", on_click=attempt, args=(_start, gallery, by))
        problem()
    return kept


def explain_no_groupings() -> None:
    st.info(
        "Nothing says which pictures of this gallery show the same, so there is no threshold; a score is set against random pairs "
        "instead. Ingest a folder with a subfolder for each label, or a table with a label or item column: two labels, with some "
        "pictures each."
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _groupings(version: tuple[str, str, int], _gallery: Gallery) -> list[str]:
    return drawn_pairs.groupings(_gallery)


def _start(gallery: Gallery, by: str) -> None:
    jobs.start(["pipeline", "pairs", gallery.name, "--by", by], title="Measure pairs", gallery=gallery.name)
