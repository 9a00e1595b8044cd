"""The Explore page's section on oddities: likely label errors and outliers, each with what its neighbours say."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.explore import oddity_rows
from app.widgets import downloads, report_section, states
from app.widgets.charts import as_csv, chart, finished
from app.widgets.literal import literal
from pipeline.analysis import label_errors, outliers
from pipeline.errors import SemblanceError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery

LISTS = {label_errors.KIND: "Label errors", outliers.KIND: "Outliers"}
COLUMNS = {
    label_errors.KIND: ("id", "path", "label", "proposed", "score", "proposed_score", "likely"),
    outliers.KIND: ("id", "path", "label", "score", "percentile", "unusual"),
}
LISTED = ("hits", "hit_labels", "hit_scores")


def oddities_section(gallery: Gallery) -> None:
    """The newest of both reports; a row keeps its place when it is dealt with, and offers the way back there."""
    st.subheader("Label errors and outliers", anchor=False)
    if not report_section.is_filled(gallery):
        return
    found = {kind: report_section.newest(gallery, kind) for kind in LISTS}
    if not any(found.values()):
        st.markdown(
            "**Not looked for yet.** Ranks pictures whose nearest neighbours have another label, which may be mistakes, and "
            "pictures that have nothing near them. Nothing is changed until you say so."
        )
        _find(gallery, "Find", primary=True)
        return
    known = {kind: named for kind, named in found.items() if named is not None}
    try:
        tables = {kind: reports.table(gallery, name) for kind, (name, _) in known.items()}
        for kind, table in tables.items():  # what is damaged shows here: a fragment's error cannot be caught
            table[["rank", *COLUMNS[kind], *LISTED]]
        _show(gallery, {kind: report for kind, (_, report) in known.items()}, tables)
    except (LookupError, TypeError, ValueError, AttributeError, SemblanceError) as error:
        st.warning(
            f"The newest report on label errors and outliers cannot be drawn ({literal(error)}); it may be damaged. Find them again."
        )
    _find(gallery, "Find again", primary=False)


def _show(gallery: Gallery, found: dict[str, dict[str, Any]], tables: dict[str, pd.DataFrame]) -> None:
    kinds = list(found)
    kind = states.required(
        st.segmented_control,
        "List",
        kinds,
        default=kinds[0],
        required=True,
        format_func=lambda kind: f"{LISTS[kind]} ({_count(kind, found[kind])})",
        key=f"oddities-list-{gallery.name}",
        label_visibility="collapsed",
    )
    report, table = found[kind], tables[kind]
    st.caption(_meaning(kind, report))
    if table.empty:
        st.success(f"No picture of {report['asked']:,} has neighbours that prefer another label.")
    else:
        oddity_rows.rows_list(gallery, kind, table)
    if kind == label_errors.KIND:
        _lone(gallery, report["lone"])
    else:
        _histogram(gallery, report)
    if label_errors.KIND not in found:
        st.info("There is no list of label errors: it needs pictures of two labels or more, and asks their neighbours.")
    st.caption(literal(report_section.on_what(gallery, report, f"the {report['k']} nearest others of each are asked")))
    downloads.button(
        "CSV",
        f"{gallery.name}-{kind}.csv",
        lambda: as_csv(flat(table)),
        help=f"The {len(table):,} rows of this list, with their neighbours",
        disabled=table.empty,
        key=f"oddities-csv-{kind}-{gallery.name}",
    )


def _count(kind: str, report: dict[str, Any]) -> str:
    return f"{report['likely']:,} likely" if kind == label_errors.KIND else f"{report['unusual']:,} unusual"


def _meaning(kind: str, report: dict[str, Any]) -> str:
    if kind == label_errors.KIND:
        said = (
            f"Of {report['asked']:,} labelled pictures {report['doubted']:,} have neighbours that prefer another label; "
            f"{report['likely']:,} are likely errors. The most doubtful first."
        )
        return said + (f" {report['judged_right']:,} were judged right." if report["judged_right"] else "")
    unusual = f"{report['unusual']:,} of {report['rows']:,}" if report["unusual"] else "None"
    return (
        f"By the mean score to the {report['k']} nearest others, the farthest first. {unusual} are unusual for this gallery: "
        f"below {report['fence']:.3f}, 1.5 interquartile ranges under the first quartile."
    )


def _lone(gallery: Gallery, lone: list[dict[str, str]]) -> None:
    if not lone:
        return
    with st.expander(f"The only picture of its label: {len(lone):,}", icon=":material/info:"):
        st.markdown("Nothing here can confirm or doubt these labels, so they are not in the list.")
        st.dataframe(
            pd.DataFrame(lone, columns=["label", "path", "id"]),
            hide_index=True,
            column_order=["label", "path"],
            column_config={"label": "Label", "path": "File"},
            alt=f"Pictures of {gallery.name} that are the only one of their label",
        )


def _histogram(gallery: Gallery, report: dict[str, Any]) -> None:
    edges = report["histogram"]["edges"]
    table = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "pictures": report["histogram"]["counts"]})
    with st.expander("How far the pictures are from their neighbours", icon=":material/bar_chart:"):
        alt = f"Pictures of {gallery.name} by mean score to their nearest others"
        chart(histogram_figure(table, report["fence"]), table, f"{gallery.name}-outlier-scores", alt)


def histogram_figure(table: pd.DataFrame, fence: float) -> go.Figure:
    """Pictures a step of the score; the dotted line is the fence."""
    figure = go.Figure()
    figure.add_bar(
        x=(table["from"] + table["to"]) / 2,
        y=table["pictures"],
        width=table["to"] - table["from"],
        marker={"color": "#0072b2", "line": {"width": 0}},
        customdata=table[["from", "to"]],
        hovertemplate="%{customdata[0]:.3f} to %{customdata[1]:.3f}: %{y:,} pictures<extra></extra>",
    )
    figure.add_vline(x=fence, line={"dash": "dot", "width": 1.5, "color": "#d55e00"})
    said = "to the left of the dotted line a picture is unusual for this gallery"
    finished(figure, "Closeness", said, x="mean score to the nearest others", y="pictures")
    figure.update_layout(showlegend=False, margin_b=44)
    return figure.update_xaxes(rangemode="normal")


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """Lists as text, so that a spreadsheet shows them."""
    return table.assign(**{name: table[name].map(lambda values: " ".join(map(str, values))) for name in LISTED})


def _find(gallery: Gallery, name: str, *, primary: bool) -> None:
    report_section.find_button(
        gallery, name, ["oddities", gallery.name], title="Label errors and outliers of", icon=":material/troubleshoot:",
        primary=primary, running="Looking …",
    )  # fmt: skip
