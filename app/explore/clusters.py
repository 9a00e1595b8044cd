"""The Explore page's section on clusters: each with its name, its figures and a row of its pictures."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from app.server import resources
from app.widgets import downloads, picture_row, report_section, selection, states
from app.widgets.charts import as_csv
from app.widgets.literal import literal
from app.widgets.picture_row import Tile
from pipeline.analysis import clustering
from pipeline.analysis.clustering import KIND
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery

AT_ONCE = 12  # clusters on one page of the list
METHODS = {"hdbscan": "Dense groups (HDBSCAN)", "kmeans": "Every picture in one (k-means)"}
ORDERS = {"size": "Largest", "purity": "Least pure", "silhouette": "Loosest"}
MAX_CLUSTERS = 500  # k-means clusters that can be asked for here


def clusters_section(gallery: Gallery) -> None:
    """The newest report, largest cluster first."""
    st.subheader("Clusters", anchor=False)
    if not report_section.is_filled(gallery):
        return
    found = report_section.newest(gallery, KIND)
    if found is None:
        st.markdown(
            "**Not looked for yet.** Puts pictures that look alike into groups and names each after its most common label, "
            "or after what its metadata have in common. Nothing is changed."
        )
        _find(gallery, "Find clusters", primary=True)
        return
    try:
        _show(gallery, *found)
    except (LookupError, TypeError, ValueError, AttributeError, SemblanceError) as error:
        st.warning(
            f"The newest report on clusters cannot be drawn ({literal(error)}); it may be damaged. Find them again."
        )
    _find(gallery, "Find again", primary=False)


def _show(gallery: Gallery, name: str, report: dict[str, Any]) -> None:
    clusters = report["clusters"]
    table = table_of(report)  # first: what is damaged shows here, and a fragment's error cannot be caught
    assigned = clustering.assignment(gallery, name)
    st.markdown(_summary(report))
    for note in report["notes"]:
        st.info(literal(f"{note[0].upper()}{note[1:]}."))
    if clusters:
        _list(gallery, clusters, name)
        _table(gallery, table)
    way = f"{report['method']}, seed {report['seed']}"
    if report["method"] == "hdbscan":
        way += f", at least {report['smallest']:,} pictures each"
    elif report["tried"]:
        way += ", the number with the best silhouette"
    st.caption(literal(report_section.on_what(gallery, report, way)))
    with st.container(horizontal=True):
        _download(gallery, "Clusters", "clusters", table, "A row for each cluster")
        paths = resources.paths(gallery)
        of_all = assigned.assign(path=assigned["id"].map(paths).fillna(""))
        _download(gallery, "Pictures", "clusters-pictures", of_all, "Each picture with its cluster")


def _download(gallery: Gallery, label: str, name: str, table: pd.DataFrame, meaning: str) -> None:
    file, key = f"{gallery.name}-{name}.csv", f"{name}-csv-{gallery.name}"
    downloads.button(f"{label} (CSV)", file, lambda: as_csv(table), help=meaning, key=key)


def _summary(report: dict[str, Any]) -> str:
    count = len(report["clusters"])
    said = [f"**{count:,} cluster{'' if count == 1 else 's'}** of {report['rows']:,} pictures"]
    if report["in_none"]:
        said.append(f"{report['in_none']:,} in none")
    if report["purity"] is not None:
        said.append(f"purity {report['purity']:.2f}")
    if report["silhouette"] is not None:
        said.append(f"silhouette {report['silhouette']:.2f}")
    return " · ".join(said)


def table_of(report: dict[str, Any]) -> pd.DataFrame:
    """A row a cluster, as in the report."""
    columns = ("cluster", "name", "size", "share", "label", "purity", "silhouette", "medoid")
    made = pd.DataFrame([{key: one[key] for key in columns} for one in report["clusters"]], columns=columns)
    return made.assign(labels=[", ".join(f"{k} {v}" for k, v in one["labels"].items()) for one in report["clusters"]])


@st.fragment
def _list(gallery: Gallery, clusters: list[dict[str, Any]], report: str) -> None:
    picture_row.styles()
    possible = [key for key in ORDERS if all(one[key] is not None for one in clusters)]
    by = states.required(
        st.segmented_control,
        "Order",
        possible,
        default=possible[0],
        required=True,
        format_func=ORDERS.__getitem__,
        label_visibility="collapsed",
        key=f"clusters-order-{gallery.name}",
    )
    ordered = sorted(clusters, key=lambda one: -one["size"] if by == "size" else one[by])
    pages = -(-len(ordered) // AT_ONCE)
    key = f"clusters-page-{gallery.name}-{by}-{len(clusters)}"
    page = min(st.session_state.get(key, 1), pages)
    there = resources.paths(gallery)
    for one in ordered[(page - 1) * AT_ONCE : page * AT_ONCE]:
        tiles = [
            Tile(picture, label or there[picture].rsplit("/", 1)[-1], alt=f"{one['name']}: {label} {there[picture]}")
            for picture, label in zip(one["typical"], one["typical_labels"], strict=True)
            if picture in there
        ]
        if tiles and tiles[0].id == one["medoid"]:
            tiles[0] = replace(tiles[0], second="most typical", kind="query")
        picture_row.draw(gallery.name, tiles, said=caption_of(one))
        selection.button(
            gallery.name,
            f"Select all {one['size']:,}",
            lambda one=one: _members(gallery, report, one["cluster"]),
            key=f"cluster-select-{gallery.name}-{one['cluster']}",
            type="tertiary",
        )
    if pages > 1:
        st.pagination(pages, key=key)


def _members(gallery: Gallery, report: str, cluster: int) -> list[str]:
    found, there = clustering.assignment(gallery, report), resources.paths(gallery)
    return [picture for picture in found.loc[found["cluster"] == cluster, "id"] if picture in there]


def caption_of(one: dict[str, Any]) -> str:
    """Name and figures of a cluster as markup."""
    figures = [f"{one['size']:,} pictures"]
    if one["purity"] is not None:
        figures.append(f"{100 * one['purity']:.0f} % {one['label']}")
    if one["silhouette"] is not None:
        figures.append(f"silhouette {one['silhouette']:.2f}")
    return f"<b style='display:inline'>{html.escape(one['name'])}</b> <small>{html.escape(' · '.join(figures))}</small>"


def _table(gallery: Gallery, table: pd.DataFrame) -> None:
    share: Any = st.column_config.ProgressColumn
    with st.expander("All clusters as a table", icon=":material/table:"):
        st.dataframe(
            table,
            hide_index=True,
            height=min(38 + 35 * len(table), 420),
            column_order=["name", "size", "purity", "silhouette", "labels"],
            column_config={
                "name": st.column_config.TextColumn("Name", pinned=True),
                "size": st.column_config.NumberColumn("Pictures", format="localized"),
                "purity": share(
                    "Purity", min_value=0, max_value=1, format="%.2f", help="Share of the most common label"
                ),
                "silhouette": st.column_config.NumberColumn(
                    "Silhouette",
                    format="%.2f",
                    help="1 = far from other clusters, 0 = at the border, below = nearer to another",
                ),
                "labels": "Labels",
            },
            alt=f"Clusters of {gallery.name}",
        )


def _find(gallery: Gallery, name: str, *, primary: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.selectbox(
            "Method", list(METHODS), format_func=METHODS.__getitem__, width=290, key=f"clusters-method-{gallery.name}"
        )
        command = ["cluster", gallery.name, "--method", method]
        if method == "kmeans":
            count = st.number_input(
                "Clusters",
                min_value=0,
                max_value=min(MAX_CLUSTERS, gallery.count()),
                help="0: the number with the best silhouette of a few",
                width=140,
                key=f"clusters-count-{gallery.name}",
            )
            command += ["--clusters", str(count)]
        report_section.find_button(
            gallery, name, command, title="Find clusters in", icon=":material/bubble_chart:", primary=primary,
            running="Looking …",
        )  # fmt: skip
