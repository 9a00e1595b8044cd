"""The words of the query: two fields where the gallery's encoder takes words."""

from __future__ import annotations

import streamlit as st

from app.search import query_state
from app.server import resources
from pipeline.gallery.gallery import Gallery
from pipeline.kinds.words import LIMITS
from pipeline.search import text as words

_FIELDS = {"texts": "words", "not_texts": "not-words"}  # what of the ask, and the key of its field
_SEVERAL = "Several are divided by ; and each counts as much as a picture does."


def words_fields(gallery: Gallery) -> None:
    """Fields that are set from the ask and change it in a callback, as its options do."""
    if not words.understood(gallery):
        return
    limits = f" {LIMITS}." if words.kinds_of(gallery) else ""
    state = query_state.current()
    for name, key in _FIELDS.items():
        said = "; ".join(getattr(state, name))
        if st.session_state.get(key) != said:
            st.session_state[key] = said
    with st.container(horizontal=True, key="words-row"):
        st.text_input(
            "Words",
            key=_FIELDS["texts"],
            placeholder="Or say what to find: shoes" if limits else "Or say what to find: red shoes",
            label_visibility="collapsed",
            help=f"What hits should show, alone or beside pictures. {_SEVERAL}{limits}",
            on_change=_say,
            width="stretch",
        )
        st.text_input(
            "Not",
            key=_FIELDS["not_texts"],
            placeholder="but not: sandals" if limits else "but not: laces",
            label_visibility="collapsed",
            help=f"What hits should not show; it moves the query away a little. {_SEVERAL}",
            on_change=_say,
            disabled=state.empty,
            width=165,
        )


def words_kept(name: str) -> dict[str, tuple[str, ...]]:
    """What `query_state.change` takes when the visitor goes over to the gallery `name`: words stay where they are taken."""
    return {} if words.understood(resources.gallery(name)) else dict.fromkeys(_FIELDS, ())


def _say() -> None:
    query_state.change(
        **{name: _parted(st.session_state[key]) for name, key in _FIELDS.items() if key in st.session_state}
    )


def _parted(text: str) -> tuple[str, ...]:
    return tuple(part for one in text.split(";") if (part := " ".join(one.split())))
