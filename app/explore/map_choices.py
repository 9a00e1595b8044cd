"""The columns that a map can be coloured by, and their values for its pictures."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from app.explore import map_query
from app.explore.map_data import MapData
from app.server import resources
from app.widgets.colours import Colouring, by_value, on_scale, plain
from pipeline.analysis import clustering
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

NONE = "none"


def columns(gallery: Gallery, data: MapData, *, query: bool) -> dict[str, str]:
    """Key of the address to what a person reads; the first is what a map begins with."""
    found = {name: name.capitalize() for name in data.varied}
    if clustering.newest(gallery):
        found["cluster"] = "Cluster"
    if tags.tags(gallery):
        found["tag"] = "Tag"
    if query:
        found["score"] = "Score to the query"
    found |= {f"metadata.{key}": key for key in gallery.manifest()["metadata_keys"]}
    return found | {NONE: "One colour"}


def colouring(gallery: Gallery, data: MapData, by: str, query: Any) -> Colouring:
    if by == "score":
        return on_scale("Score to the query", map_query.scores(gallery, data, query))
    if by == "tag":
        return _by_tag(gallery, data)
    if by == "cluster" and (report := clustering.newest(gallery)):
        make = functools.partial(_by_cluster, gallery, data, report)
        return resources.kept(gallery, "colours", data.map.name, "cluster", report, make=make)
    if by == NONE:
        return plain(len(data.points))
    return resources.kept(gallery, "colours", data.map.name, by, make=lambda: _by_column(data, by))


def _by_column(data: MapData, by: str) -> Colouring:
    if by in ("label", "split"):
        return by_value(by.capitalize(), data.table[by], empty=f"no {by}")
    key = by.removeprefix("metadata.")
    return by_value(key, data.table["metadata"].map(lambda row: row.get(key, "")), empty=f"no {key}")


def _by_cluster(gallery: Gallery, data: MapData, report: str) -> Colouring:
    found = clustering.assignment(gallery, report)
    names = dict(zip(found["id"], found["name"], strict=True))
    values = data.table["id"].map(names).fillna(clustering.NO_CLUSTER).replace(clustering.NO_CLUSTER, "")
    return by_value("Cluster", values, empty=clustering.NO_CLUSTER)


def _by_tag(gallery: Gallery, data: MapData) -> Colouring:
    """A picture with several tags has the colour of the one that was given to the fewest pictures."""
    values: pd.Series = data.table["id"].map(dict.fromkeys(data.table["id"], ""))
    for name, ids in sorted(tags.tags(gallery).items(), key=lambda entry: -len(entry[1])):
        values[data.table["id"].isin(ids)] = name
    return by_value("Tag", values, empty="no tag")
