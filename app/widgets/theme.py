"""The few things of the look that .streamlit/config.toml cannot say."""

from __future__ import annotations

import streamlit as st

_CSS = """<style>
.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 3rem; max-width: 1500px; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding: 3.6rem 1rem 2rem; }
  h1 { font-size: 1.5rem !important; padding: 0 0 0.5rem !important; }
}
.strip { display: flex; gap: 8px; height: 92px; overflow: hidden; flex-wrap: wrap; }
.strip img { width: 92px; height: 92px; object-fit: cover; border-radius: 8px; }
h1 { letter-spacing: -0.015em; }
</style>"""


def apply() -> None:
    st.html(_CSS)
