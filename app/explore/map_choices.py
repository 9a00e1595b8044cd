"""What a map is coloured by, kept for all sessions; by the score to the query it is made anew."""

from __future__ import annotations

from typing import Any

from app.explore import map_query
from app.explore.map_data import MapData
from app.server import resources
from pipeline.analysis import clustering
from pipeline.analysis.colouring import SCORE, Colouring, by_column, on_scale
from pipeline.gallery.gallery import Gallery


def colouring(gallery: Gallery, data: MapData, by: str, query: Any) -> Colouring:
    if by == SCORE:
        return on_scale("Score to the query", map_query.scores(gallery, data, query))
    if by == "tag":  # judgments change without a new version of the rows
        return by_column(gallery, data, by)
    report = clustering.newest(gallery) if by == "cluster" else ""
    return resources.kept(gallery, "colours", data.map.name, by, report, make=lambda: by_column(gallery, data, by))
