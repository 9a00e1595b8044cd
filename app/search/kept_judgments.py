"""Likes and dislikes of a search, kept for fine-tuning when the visitor says so."""

from __future__ import annotations

import streamlit as st

from app.search.query_state import SearchState
from pipeline.gallery import feedback
from pipeline.gallery.gallery import Gallery


def offer_to_keep(gallery: Gallery, state: SearchState) -> None:
    """A line that is there while something is liked and something disliked."""
    if not (state.like and state.unlike):
        return
    triplets = feedback.triplets_of(ids=state.ids, like=state.like, unlike=state.unlike)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{len(state.like)} liked, {len(state.unlike)} disliked.")
        if st.session_state.get("judgments_kept") == (gallery.name, triplets):
            st.button("Take back", icon=":material/undo:", on_click=_take_back, args=(gallery, triplets))
            st.caption("Kept. Galleries, Fine-tune learns from it.")
            return
        why_not = (
            None if triplets else "An upload is no picture of this gallery: like two hits, so that they can be compared"
        )
        st.button(
            "Keep for fine-tuning",
            icon=":material/bookmark_add:",
            disabled=not triplets,
            help=why_not or "So that this gallery can learn what you mean by similar",
            on_click=_keep,
            args=(gallery, state, triplets),
        )


def _keep(gallery: Gallery, state: SearchState, triplets: list[feedback.Triplet]) -> None:
    feedback.keep(gallery, ids=state.ids, like=state.like, unlike=state.unlike)
    st.session_state["judgments_kept"] = (gallery.name, triplets)


def _take_back(gallery: Gallery, triplets: list[feedback.Triplet]) -> None:
    feedback.take_back(gallery, triplets)
    del st.session_state["judgments_kept"]
