"""Explore: the map of a gallery, and what it holds more than once."""

from __future__ import annotations

import streamlit as st

from app.explore_duplicates import duplicates_section
from app.explore_map import map_section
from app.gallery_choice import choose
from app.job_list import job_list
from pipeline.errors import SemblanceError


def page() -> None:
    gallery = choose("Explore")
    if gallery is not None:
        job_list()
        map_section(gallery)
        st.divider()
        duplicates_section(gallery)


try:
    page()
except SemblanceError as error:
    st.error(str(error))
