"""Explore: the map of a gallery, its clusters, its oddities, and what it holds more than once."""

from __future__ import annotations

import streamlit as st

from app.explore.clusters import clusters_section
from app.explore.duplicates import duplicates_section
from app.explore.map import map_section
from app.explore.oddities import oddities_section
from app.widgets.gallery_choice import choose
from app.widgets.job_list import job_list
from pipeline.errors import SemblanceError

SECTIONS = {
    "map": ("Map", map_section),
    "clusters": ("Clusters", clusters_section),
    "oddities": ("Oddities", oddities_section),
    "duplicates": ("Duplicates", duplicates_section),
}


def page() -> None:
    gallery = choose("Explore")
    if gallery is None:
        return
    job_list()
    given = st.query_params.get("section", "map")
    section = st.segmented_control(
        "Section",
        list(SECTIONS),
        default=given if given in SECTIONS else "map",
        format_func=lambda name: SECTIONS[name][0],
        label_visibility="collapsed",
        required=True,
    )
    st.query_params["section"] = section
    SECTIONS[section][1](gallery)


try:
    page()
except SemblanceError as error:
    st.error(str(error))
