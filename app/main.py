"""Page config and navigation."""

from __future__ import annotations

import streamlit as st

from app import COMPONENTS, VIEWS
from app.server import exposure, sign_in

st.set_page_config(page_title="Semblance", page_icon=str(COMPONENTS / "icon.png"), layout="wide")
st.html(COMPONENTS / "tick.css")
st.html(COMPONENTS / "page.css")  # what .streamlit/config.toml cannot say
theme = (
    "dark" if st.context.theme.type == "dark" else "light"
)  # components have the theme's colours, markup of ours has not
refused = "#ff8a80" if theme == "dark" else "#a3262b"
primary, text, paper = (st.get_option(f"theme.{theme}.{name}Color") for name in ("primary", "text", "background"))
colours = f"--st-primary-color: {primary}; --st-text: {text}; --st-paper: {paper}; --refused: {refused}"
st.html(f"<style>:root {{ {colours} }}</style>")
exposure.apply()
sign_in.required()
st.navigation(
    [
        st.Page(VIEWS / "search.py", title="Search", icon=":material/image_search:", default=True),
        st.Page(VIEWS / "galleries.py", title="Galleries", icon=":material/photo_library:"),
        st.Page(VIEWS / "explore.py", title="Explore", icon=":material/explore:"),
        st.Page(VIEWS / "evaluate.py", title="Evaluate", icon=":material/straighten:"),
        st.Page(VIEWS / "pairs.py", title="Same or different?", icon=":material/compare:"),
        st.Page(VIEWS / "indexes.py", title="Indexes", icon=":material/speed:"),
        st.Page(VIEWS / "hard_cases.py", title="Hard cases", icon=":material/crisis_alert:"),
        st.Page(VIEWS / "training.py", title="Training", icon=":material/model_training:"),
    ],
    position="top",
).run()
