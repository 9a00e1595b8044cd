"""A page's title beside the gallery that it is about: that of the address, else the one looked at last."""

from __future__ import annotations

import streamlit as st

from app.server import resources
from app.widgets.start import first_steps
from pipeline.gallery.gallery import Gallery


def choose(title: str) -> Gallery | None:
    """None when there is no gallery yet, and the page has said how to make one."""
    names = resources.gallery_names()
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.title(title)
    if not names:
        first_steps()
        return None
    asked = st.query_params.get("gallery", st.session_state.get("gallery_seen", ""))
    name = right.selectbox(
        "Gallery",
        names,
        index=names.index(asked) if asked in names else 0,
        format_func=lambda name: resources.gallery(name).manifest()["title"],
    )
    if name != asked:
        st.query_params.clear()
    st.session_state["gallery_seen"] = st.query_params["gallery"] = name
    return resources.gallery(name)
