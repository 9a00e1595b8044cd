"""Likes and dislikes of a search, kept for fine-tuning when the visitor says so."""

from __future__ import annotations

import streamlit as st

from app.search.query_state import Ask
from pipeline.gallery import feedback
from pipeline.gallery.gallery import Gallery


def offer_to_keep(gallery: Gallery, asked: Ask) -> None:
    """A line that is there while something is liked and something disliked."""
    if not (asked.like and asked.unlike):
        return
    found = feedback.triplets_of(ids=asked.ids, like=asked.like, unlike=asked.unlike)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{len(asked.like)} liked, {len(asked.unlike)} disliked.")
        if st.session_state.get("judgments_kept") == (gallery.name, found):
            st.button("Take back", icon=":material/undo:", on_click=_take_back, args=(gallery, found))
            st.caption("Kept. Galleries, Fine-tune learns from it.")
            return
        why_not = (
            None if found else "An upload is no picture of this gallery: like two hits, so that they can be compared"
        )
        st.button(
            "Keep for fine-tuning",
            icon=":material/bookmark_add:",
            disabled=not found,
            help=why_not or "So that this gallery can learn what you mean by similar",
            on_click=_keep,
            args=(gallery, asked, found),
        )


def _keep(gallery: Gallery, asked: Ask, found: list[feedback.Triplet]) -> None:
    feedback.keep(gallery, ids=asked.ids, like=asked.like, unlike=asked.unlike)
    st.session_state["judgments_kept"] = (gallery.name, found)


def _take_back(gallery: Gallery, found: list[feedback.Triplet]) -> None:
    feedback.take_back(gallery, found)
    del st.session_state["judgments_kept"]
