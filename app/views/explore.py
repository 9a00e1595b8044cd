"""Explore: the map of a gallery, its clusters, its oddities, what it holds more than once, and what to label next."""

from __future__ import annotations

from app.explore.clusters import clusters_section
from app.explore.duplicates import duplicates_section
from app.explore.map import map_section
from app.explore.oddities import oddities_section
from app.explore.to_label import to_label_section
from app.search.tray import tray
from app.widgets.page import gallery_page, section
from pipeline.gallery.gallery import Gallery

SECTIONS = {
    "map": map_section,
    "clusters": clusters_section,
    "oddities": oddities_section,
    "duplicates": duplicates_section,
    "label": to_label_section,
}
TITLES = {
    "map": "Map",
    "clusters": "Clusters",
    "oddities": "Label errors and outliers",
    "duplicates": "Duplicates",
    "label": "What to label next",
}


def page(gallery: Gallery) -> None:
    SECTIONS[section(TITLES)](gallery)
    tray(gallery, "explore")


gallery_page("Explore", page, views_of="explore")
