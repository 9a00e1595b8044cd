"""A saved view of Explore as one HTML page: its map drawn, and the pictures that are chosen there or stand for its groups."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import records
from pipeline.analysis import cluster_facts, clustering, colouring, map_files, map_picture, map_points, projection
from pipeline.analysis.colouring import NONE, Colouring
from pipeline.analysis.map_points import MapPoints
from pipeline.analysis.selection import shape_of
from pipeline.errors import GalleryError, UsageError
from pipeline.files import html_page
from pipeline.gallery import reports, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import SavedView
from pipeline.metrics import map_trust

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = Path(__file__).with_name("view_page.html")
MAX_PICTURES = 1_000  # that are chosen
MAX_CLUSTERS = 100
SCALE_STEPS = 24  # of a colour scale's legend
Groups = list[dict[str, Any]]  # name, colour, note, figures


def page(gallery: Gallery, view: SavedView) -> str:
    """The view as it is now: of Map, the map and what is chosen on it; of Clusters, each of them and the newest map.

    Where nothing is chosen, pictures that stand for each group. UsageError for another section, and where there is no map
    or no cluster yet; GalleryError for what is damaged.
    """
    params = {name: list(values) for name, values in view.params.items()}
    section = saved_views.exported_section(view)
    chosen = _some("Selected", gallery, gallery.table(), saved_views.selected(view))
    found = clustering.newest(gallery)
    known = [about["name"] for about in projection.saved_maps(gallery)]
    if section == "clusters" and not found:
        raise UsageError(
            f"gallery {gallery.name} has no clusters yet; find them with: python -m pipeline cluster {gallery.name}"
        )
    if section == "map" and not known:
        raise UsageError(
            f"gallery {gallery.name} has no map yet; make one with: python -m pipeline project {gallery.name}"
        )
    values, groups, legend = dict[str, Any](), Groups(), dict[str, str]()
    if known:
        if section == "clusters":
            params = {"colour": ["cluster"]}
        wanted = _first(params, "map")
        data = map_points.of_gallery(gallery, wanted if wanted in known else known[0])
        columns = colouring.columns(gallery, data, query=False)
        wanted = _first(params, "colour")
        by = wanted if wanted in columns else next(iter(columns))
        shown = colouring.by_column(gallery, data, by)
        values, more = _map(gallery, data, shown, params)
        values["said"] = [map_files.method_of(data.map.about), *([f"colour: {columns[by]}"] if by != NONE else [])]
        chosen += more
        legend = {name: shown.palette[code] for code, name, _ in shown.legend} if by == "cluster" else {}
        if section == "map" and not chosen and (not found or (by != "cluster" and shown.legend)):
            groups = _typical(gallery, data, shown)
    if found and (section == "clusters" or not (chosen or groups)):
        groups = _clusters(gallery, found, legend)
    return html_page.rendered(
        TEMPLATE,
        title=view.name,
        gallery=gallery.manifest()["title"],
        note=f"{gallery.count():,} pictures",
        made=datetime.date.today().isoformat(),
        groups=[*chosen, *groups],
        **values,
    )


def _map(
    gallery: Gallery, data: MapPoints, shown: Colouring, params: dict[str, list[str]]
) -> tuple[dict[str, Any], Groups]:
    """What the template draws of the map, and the pictures that are picked, circled or left when others are hidden."""
    there = {name for _, name, _ in shown.legend}
    only = [name for name in params.get("only", []) if name in there]
    shape, picked = shape_of(_first(params, "select")), _first(params, "picture")
    taken = shown.among(only)
    if shape is not None:
        taken = taken & shape.takes(data.points)
    groups = _some("Picked", gallery, data.table, [picked])
    if shape is not None or only:
        name = "Circled" if shape is not None else ", ".join(only)
        groups += _some(name, gallery, data.table, data.table["id"][taken].tolist(), always=True)
    legend = [
        {"colour": shown.palette[code], "name": name, "count": count, "pale": bool(only) and name not in only}
        for code, name, count in shown.legend
    ]
    values = {
        "drawing": map_picture.drawing(data, shown, taken=taken, only=only, shape=shape, picked=picked),
        "n": len(data.points),
        "legend": legend,
        "by": shown.title,
        "ends": shown.scale,
        "scale": [shown.palette[i] for i in np.linspace(1, len(shown.palette) - 1, SCALE_STEPS).astype(int)] if shown.scale else [],
        "caption": data.map.about["caption"].removesuffix(map_trust.CLICK),
        "stale": data.map.stale,
    }  # fmt: skip
    return values, groups


def _some(name: str, gallery: Gallery, table: pd.DataFrame, ids: Sequence[str], *, always: bool = False) -> Groups:
    """The first of these pictures that are in the gallery, as a group; none of an empty one, but always."""
    rows = table[table["id"].isin(ids)]
    if rows.empty and not always:
        return []
    note = f"{len(rows):,}" if len(rows) <= MAX_PICTURES else f"the first {MAX_PICTURES:,} of {len(rows):,}"
    return [{"name": name, "note": note, "figures": _figures(gallery, rows.iloc[:MAX_PICTURES])}]


def _typical(gallery: Gallery, data: MapPoints, shown: Colouring) -> Groups:
    """Pictures that stand for each entry of the legend, or for all of the map where it has none."""
    rows = gallery.rows()
    at = dict(zip(rows.table["id"], range(len(rows)), strict=True))
    places = data.table["id"].map(at)
    groups = []
    for code, name, count in shown.legend or ((0, "Pictures that stand for all", len(data.points)),):
        members = places[(shown.codes == code) if shown.legend else slice(None)].dropna().to_numpy(int)
        if len(members):
            few = rows.table.iloc[cluster_facts.typical(rows.embeddings, members)]
            colour = shown.palette[code] if shown.legend else ""
            groups.append({"name": name, "colour": colour, "note": f"{count:,}", "figures": _figures(gallery, few)})
    return groups


def _clusters(gallery: Gallery, name: str, colours: dict[str, str]) -> Groups:
    """The largest clusters, each with its figures and the typical pictures of it that are still there."""
    table, report = gallery.table().set_index("id", drop=False), reports.read(gallery, name)
    try:
        return [_cluster(gallery, table, one, colours) for one in report["clusters"][:MAX_CLUSTERS]]
    except (LookupError, TypeError, ValueError) as error:
        raise GalleryError(f"the report {name} is damaged ({error!r}); find the clusters again") from error


def _cluster(gallery: Gallery, table: pd.DataFrame, one: dict[str, Any], colours: dict[str, str]) -> dict[str, Any]:
    said = [f"{one['size']:,}"]
    said += [f"{100 * one['purity']:.0f} % {one['label']}"] if one["purity"] is not None else []
    said += [f"silhouette {one['silhouette']:.2f}"] if one["silhouette"] is not None else []
    rows = table.loc[[picture for picture in one["typical"] if picture in table.index]]
    figures, colour = _figures(gallery, rows), colours.get(one["name"], "")
    return {"name": one["name"], "colour": colour, "note": " · ".join(said), "figures": figures}


def _figures(gallery: Gallery, rows: pd.DataFrame) -> list[dict[str, str]]:
    return [
        html_page.figure(gallery.thumbnail_data(row.id), place=records.place(row.path, row.box), said=row.label)
        for row in rows.itertuples()
    ]


def _first(params: dict[str, list[str]], name: str) -> str:
    return (params.get(name) or [""])[0]
