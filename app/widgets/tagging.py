"""Giving pictures a tag and taking it away, wherever pictures can be selected."""

from __future__ import annotations

import streamlit as st

from app.widgets.faults import attempt
from app.widgets.literal import literal
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery


def tagging(gallery: Gallery, ids: list[str], *, key: str) -> None:
    """A field for a tag of all these pictures, and a button for each tag that some of them have."""
    name = st.text_input("Tag for the selection", placeholder="to check", key=f"{key}-tag", max_chars=tags.LONGEST)
    st.button("Save", type="primary", disabled=not name.strip(), on_click=_tag, args=(gallery, ids, name, True, key))
    for one, held in tags.tags(gallery).items():
        if inside := held.intersection(ids):
            st.button(
                f"Take “{literal(one)}” from {len(inside):,}",
                on_click=_tag,
                args=(gallery, sorted(inside), one, False, key),
                key=f"{key}-untag-{one}",
            )
    if said := st.session_state.pop(f"{key}-tagged", ""):
        st.success(literal(said))


def _tag(gallery: Gallery, ids: list[str], name: str, given: bool, key: str) -> None:
    def tag() -> None:
        kept = tags.tag(gallery, ids, name, given=given)
        have = "have" if given else "have no longer"
        st.session_state[f"{key}-tagged"] = f"{len(ids):,} {have} the tag “{kept}”."

    attempt(tag)
