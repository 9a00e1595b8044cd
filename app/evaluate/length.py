"""The Evaluate page's section on the length of the embedding: how short it may be, and a button that shortens it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.server import jobs
from app.widgets.charts import chart, finished
from app.widgets.literal import literal
from pipeline.comparison.embedding_length import KIND, advice
from pipeline.errors import GalleryError, SemblanceError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery

BLUE, ORANGE, GREEN = "#0072b2", "#e69f00", "#009e73"


def length_section(gallery: Gallery) -> None:
    """The newest report of the present encoder, else the newest of another and a note that it is old."""
    st.subheader("Embedding size", anchor=False)
    try:
        entry = gallery.encoder()
    except SemblanceError as error:
        st.info(literal(error))
        return
    report = _newest(gallery, entry["fingerprint"])
    if report is None:
        st.markdown(
            f"**Not measured yet.** An embedding of {entry['dim']:,} dimensions can be shortened by PCA: less memory and "
            "a faster search, at some cost in quality from some length on. Measuring finds that length; nothing is changed."
        )
        _measure(gallery, "Measure lengths", primary=True)
        return
    try:
        _show(gallery, report, entry)
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
        st.warning(
            f"The newest report on lengths cannot be drawn ({literal(repr(error))}); it may be damaged. Measure again."
        )
    _measure(gallery, "Measure again", primary=False)


def _newest(gallery: Gallery, fingerprint: str) -> dict[str, Any] | None:
    newest = None
    for name in reports.names(gallery, KIND):
        try:
            report = reports.read(gallery, name)
        except GalleryError as error:
            st.warning(literal(error))
            continue
        if report.get("fingerprint") == fingerprint:
            return report
        newest = newest or report
    return newest


def _show(gallery: Gallery, report: dict[str, Any], entry: dict[str, Any]) -> None:
    table = pd.DataFrame(report["lengths"])
    best, full = report["recommended"], report["dim"]
    head, colon, figures_said = advice(report).partition(":")
    st.markdown(f"**{literal(head[0].upper() + head[1:])}**{colon} {literal(figures_said)}.")
    present = report["fingerprint"] == entry["fingerprint"]
    if gallery.manifest()["previous"] == report["fingerprint"][:8] and entry["spec"].startswith("pca:"):
        st.success(f"Applied: the gallery now has {entry['dim']:,} dimensions. {_way_back(gallery)}")
    elif not present:
        st.warning(
            f"These figures are of {literal(report['encoder'])} with {full:,} dimensions; the gallery now uses {literal(entry['spec'])} with "
            f"{entry['dim']:,}. Measure again."
        )
    elif report["generation"] < gallery.generation:
        st.info("The gallery has changed since these figures were measured. Measure again to include the changes.")
    if present and best < full:
        _apply(gallery, best)
    figures = {
        "variance": (variance_figure(table, best), ["dims", "variance"]),
        "quality": (quality_figure(table, report), ["dims", "map_at_r", "recall_at_1", "neighbours_kept"]),
        "search-time": (time_figure(table, report), ["dims", "milliseconds", "bytes"]),
        "contrast": (contrast_figure(table, best), ["dims", "contrast", "contrast_random"]),
    }
    for pair in (("quality", "variance"), ("search-time", "contrast")):  # a row at a time: in order on a phone
        for place, name in zip(st.columns(2, gap="medium"), pair, strict=True):
            figure, columns = figures[name]
            with place:
                alt = f"{figure.layout.title.text} over dimensions, {gallery.name}"
                chart(figure, table[columns], f"{gallery.name}-length-{name}", alt)
    labels = f"{report['labels']:,} labels, " if report["labels"] else ""
    st.caption(
        f"Measured {literal(report['made'][:16].replace('T', ' '))} UTC on {report['sampled']:,} of {report['rows']:,} pictures, "
        f"{labels}seed {literal(report['seed'])}; search time over all {report['rows']:,} pictures, {literal(report['machine'])}. "
        f"{full:,} is the embedding as it stands, the shorter ones are its principal components."
    )


def _apply(gallery: Gallery, dims: int) -> None:
    title = f"Shorten {gallery.manifest()['title']} to {dims:,} dimensions"
    command = ["pipeline", "reencode", gallery.name, "--pca", str(dims)]
    if st.button(
        f"Apply {dims:,} dimensions",
        type="primary",
        icon=":material/compress:",
        disabled=_running(gallery, "reencode"),
        key=f"length-apply-{gallery.name}",
    ):
        jobs.start(command, title=title, gallery=gallery.name)
        st.rerun()
    st.caption(f"The present embeddings stay. {_way_back(gallery)}")


def _way_back(gallery: Gallery) -> str:
    command = f"python -m pipeline reencode {gallery.name} --back"
    return f"The way back is `{command}`, or Re-encode on the Galleries page."


def _measure(gallery: Gallery, name: str, *, primary: bool) -> None:
    running = _running(gallery, "embedding-length")
    if st.button(
        "Measuring …" if running else name,
        type="primary" if primary else "secondary",
        icon=":material/straighten:",
        disabled=running,
        key=f"length-measure-{gallery.name}",
    ):
        title = f"Measure the length of the embedding of {gallery.manifest()['title']}"
        jobs.start(["pipeline", "embedding-length", gallery.name], title=title, gallery=gallery.name)
        st.rerun()


def _running(gallery: Gallery, verb: str) -> bool:
    return jobs.running("pipeline", verb, gallery=gallery.name)


def variance_figure(table: pd.DataFrame, best: int) -> go.Figure:
    figure = go.Figure()
    _line(figure, table, "variance", "explained variance", BLUE, "solid")
    figure = _over_dims(
        figure, table, best, "Explained variance", "by the first principal axes", "share of the variance"
    )
    return figure.update_layout(showlegend=False, yaxis_range=[0, 1.05])


def quality_figure(table: pd.DataFrame, report: dict[str, Any]) -> go.Figure:
    """The knee is the diamond on the line that decided it."""
    figure, best, by = go.Figure(), report["recommended"], report["decided_by"]
    lines = {
        "map_at_r": ("map_at_r", BLUE, "solid"),
        "recall_at_1": ("recall_at_1", ORANGE, "dash"),
        "neighbours_kept": (f"{report['neighbours']} nearest kept", GREEN, "dot"),
    }
    for column, (name, colour, dash) in lines.items():
        if table[column].notna().any():
            _line(figure, table, column, name, colour, dash)
    figure.add_scatter(
        x=[best],
        y=table.loc[table["dims"] == best, by],
        name=f"recommended: {best:,}",
        mode="markers",
        marker={"symbol": "diamond", "size": 13, "color": lines[by][1], "line": {"width": 2, "color": "white"}},
        hovertemplate="recommended: %{x:,} dimensions<extra></extra>",
    )
    caption = f"diamond: the fewest with {100 * report['keep']:.0f} % of the best {lines[by][0]}"
    figure = _over_dims(figure, table, best, "Quality", caption, "share, 0 to 1")
    return figure.update_layout(yaxis_range=[0, 1.05])


def time_figure(table: pd.DataFrame, report: dict[str, Any]) -> go.Figure:
    figure = go.Figure()
    _line(figure, table, "milliseconds", "ms", BLUE, "solid")
    figure.data[0].update(customdata=table["bytes"])
    figure.data[0].hovertemplate = "%{y:.3g} ms, %{customdata:,} bytes a picture<extra>%{x:,} dimensions</extra>"
    caption = f"every one of {report['rows']:,} pictures compared, median of {report['searches']}"
    figure = _over_dims(figure, table, report["recommended"], "Exact search", caption, "milliseconds a query")
    return figure.update_layout(showlegend=False, yaxis_rangemode="tozero")


def contrast_figure(table: pd.DataFrame, best: int) -> go.Figure:
    """On a log scale: in two dimensions it is thousands, in hundreds it nears 0."""
    figure = go.Figure()
    _line(figure, table, "contrast", "this gallery", BLUE, "solid")
    _line(figure, table, "contrast_random", "random directions", ORANGE, "dash")
    caption = "low: the nearest is hardly nearer than the farthest"
    figure = _over_dims(figure, table, best, "Distance contrast", caption, "(farthest − nearest) / nearest")
    return figure.update_yaxes(type="log", dtick=1)


def _line(figure: go.Figure, table: pd.DataFrame, column: str, name: str, colour: str, dash: str) -> None:
    figure.add_scatter(
        x=table["dims"],
        y=table[column],
        name=name,
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"size": 5},
        hovertemplate="%{y:.4g} with %{x:,} dimensions<extra>" + name + "</extra>",
    )


def _over_dims(figure: go.Figure, table: pd.DataFrame, best: int, title: str, caption: str, y: str) -> go.Figure:
    """x doubles from tick to tick; a dotted line stands at the recommended length."""
    finished(figure, title, caption, x="dimensions", y=y)
    dims = table["dims"].tolist()
    ticks = [d for d, after in zip(dims, [*dims[1:], float("inf")], strict=True) if after / d > 1.3]  # or they overlap
    figure.update_xaxes(type="log", rangemode="normal", tickvals=ticks, ticktext=[str(d) for d in ticks])
    figure.add_vline(x=best, line={"dash": "dot", "width": 1, "color": "#8a8f94"})
    return figure
