"""Encoders side by side on a gallery's labelled pictures: the newest comparison, and the form that starts another."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.server import jobs
from app.server.exposure import offered_encoders
from app.widgets.charts import as_csv, chart, finished
from app.widgets.literal import literal
from pipeline import filters, plugins
from pipeline.comparison import encoders as comparing
from pipeline.errors import SemblanceError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.plugins import DEFAULT_ENCODER

AHEAD, BEHIND = "#0072b2", "#6b7385"
FIGURES = ("map_at_r", "recall_at_1", "knn_20")
WHY_NOT = '<li style="overflow-wrap:anywhere;margin-bottom:.5rem"><b>{}</b><br>{}<br><small>{}</small></li>'
CLOSE = 0.06  # of the chart's width: nearer points have their numbers on different sides


def encoders_section(gallery: Gallery) -> None:
    st.subheader("Encoders side by side", anchor=False)
    if not gallery.current:
        st.info("Nothing ingested yet; add pictures on the Galleries page first.")
        return
    kept = reports.names(gallery, comparing.KIND)
    if kept:
        try:
            _comparison(gallery, reports.read(gallery, kept[0]))
        except (SemblanceError, KeyError, TypeError) as error:
            st.warning(f"The newest comparison cannot be shown ({literal(error)}); start another below.")
    else:
        st.info(
            "No comparison yet. It says how large and how fast each encoder is, and how well it finds pictures of the "
            "same label. Choose encoders below and start it."
        )
    with st.expander("Compare encoders on this gallery", expanded=not kept, icon=":material/compare_arrows:"):
        _form(gallery)


def _comparison(gallery: Gallery, report: dict[str, Any]) -> None:
    st.caption(literal(_on_what(report)))
    table = as_table(report)
    if figures := [row["encoder"] for row in report["rows"] if row["metrics"]]:
        st.dataframe(
            table[table["spec"].isin(figures)].drop(columns="why not"),
            hide_index=True,
            alt="one row for each encoder, with its figures, speed and size",
            column_config=_columns(report["batch_sizes"]),
        )
    st.download_button(
        "CSV",
        data=lambda: as_csv(table),
        file_name=f"{gallery.name}-encoders.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="This table, with the encoders that have no figures and why",
        key="csv-of-encoders",
    )
    if figures:
        size = max(report["batch_sizes"])
        points = _points(report, size)
        chart(_figure(points, size), points, "encoders", "map_at_r against pictures a second, a point for each encoder")
    if without := [row for row in report["rows"] if row["error"]]:
        caption = f"{len(without)} without figures, and why"
        with st.expander(caption, icon=":material/info:", expanded=len(without) < 3):
            texts_of_rows = (map(html.escape, (row["encoder"], row["error"], row["remedy"])) for row in without)
            st.html(f"<ul>{''.join(WHY_NOT.format(*texts) for texts in texts_of_rows)}</ul>")


def _on_what(report: dict[str, Any]) -> str:
    who = f"those with {report['queries']} ask for the rest" if report["queries"] else "each asks for all others"
    return (
        f"{report['pictures']:,} of {report['labelled']:,} labelled pictures, {report['labels']:,} labels; {who}: "
        f"{report['n_queries']:,} queries. Speed from decoded pictures on {report['device']}, one thread. Size: a weight "
        f"file, or 4 bytes a parameter in memory. Seed {report['seed']}, {report['made'].replace('T', ' ')[:16]} UTC."
    )


def as_table(report: dict[str, Any]) -> pd.DataFrame:
    """A row an encoder, empty where it has no figures."""
    rows = []
    for number, (row, name) in enumerate(zip(report["rows"], _names(report), strict=True), 1):
        cells: dict[str, Any] = {"row": number, "encoder": name}
        for figure in FIGURES:
            metric = row["metrics"].get(figure)
            cells[figure] = metric and metric["value"]
            cells[f"{figure} 95 %"] = f"{metric['low']:.3f} to {metric['high']:.3f}" if metric else ""
        for size in report["batch_sizes"]:
            cells[f"pictures/s at {size}"] = row["pictures_per_second"].get(str(size))
        measured = not row["error"]
        cells |= {"dim": row["dim"] if measured else None, "parameters": row["parameters"] if measured else None}
        cells |= {"megabytes": row["bytes"] / 1e6 if measured else None}
        cells |= {"size of": row["bytes_of"] or ("no weights" if measured else "")}
        rows.append(cells | {"spec": row["encoder"], "why not": row["error"]})
    return pd.DataFrame(rows)


def _columns(batch_sizes: list[int]) -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    speeds = {
        f"pictures/s at {size}": number(f"/s at {size}", format="%.1f", help=f"Pictures a second, {size} at a time")
        for size in batch_sizes
    }
    return {
        "row": number("#", pinned=True, width=36),
        "encoder": text("Encoder", pinned=True),
        **{name: number(name, format="%.3f") for name in FIGURES},
        **{f"{name} 95 %": text("95 %", help=f"Interval of {name}") for name in FIGURES},
        **speeds,
        "dim": number("Dim", format="localized"),
        "parameters": number("Parameters", format="compact", help="Without the classifier; 0 for what learns nothing"),
        "megabytes": number("MB", format="%.1f"),
        "size of": text("of", help="A weight file, or 4 bytes a parameter in memory"),
        "spec": text("As written on the command line"),
    }


def _names(report: dict[str, Any]) -> list[str]:
    """Short ones, such as `resnet18 untrained`; the whole spec where two would be the same."""
    short = [_short(row["encoder"]) if row["metrics"] else row["encoder"] for row in report["rows"]]
    return [row["encoder"] if short.count(name) > 1 else name for row, name in zip(report["rows"], short, strict=True)]


def _short(spec: str) -> str:
    name, options = plugins.parse(spec)
    untrained = options.get("weights") == "none" or options.get("trained") == "false"
    values = [value for key, value in options.items() if key not in ("arch", "weights", "trained")]
    file = Path(options["weights"]).name if options.get("weights", "none") not in ("none", "default") else ""
    return " ".join(filter(None, [options.get("arch", name), *values, file, "untrained" if untrained else ""]))


def _points(report: dict[str, Any], size: int) -> pd.DataFrame:
    """number, encoder, …, ahead: nothing here is both faster and better. Fastest first; number: the table's row."""
    rows = [
        {"number": number, "encoder": row["encoder"], "name": name}
        | {
            "pictures_per_second": row["pictures_per_second"][str(size)],
            "map_at_r": row["metrics"]["map_at_r"]["value"],
        }
        | {key: row["metrics"]["map_at_r"][key] for key in ("low", "high")}
        for number, (row, name) in enumerate(zip(report["rows"], _names(report), strict=True), 1)
        if row["metrics"]
    ]
    table = pd.DataFrame(rows).sort_values("pictures_per_second", ascending=False, ignore_index=True)
    table["ahead"] = table["map_at_r"] > table["map_at_r"].cummax().shift(fill_value=-1.0)
    return table


def _figure(points: pd.DataFrame, size: int) -> go.Figure:
    figure = go.Figure()
    speeds = points["pictures_per_second"].astype(float)
    first, last = math.log10(speeds.min()) - 0.2, math.log10(speeds.max()) + 0.2
    low, high = float(points["low"].min()), float(points["high"].max())
    room = (high - low) * 0.1 or 0.1
    next_faster = speeds.shift(fill_value=math.inf) / speeds  # points come fastest first
    crowded = next_faster < 10 ** (CLOSE * (last - first))
    for ahead, legend, colour, symbol in (
        (True, "none is both faster and better", AHEAD, "circle"),
        (False, "another is", BEHIND, "circle-open"),
    ):
        rows = points[points["ahead"] == ahead]
        above, below = rows["high"] - rows["map_at_r"], rows["map_at_r"] - rows["low"]
        figure.add_scatter(
            x=rows["pictures_per_second"],
            y=rows["map_at_r"],
            error_y={"array": above, "arrayminus": below, "thickness": 1, "width": 3},
            customdata=rows[["name", "low", "high"]],
            text=rows["number"].astype(str),
            textposition=["middle left" if is_crowded else "middle right" for is_crowded in crowded[rows.index]],
            textfont={"size": 11},
            mode="markers+text",
            cliponaxis=False,
            name=legend,
            marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 2, "color": colour}},
            hovertemplate="%{y:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f}), %{x:,.1f}/s"
            "<extra>%{customdata[0]}</extra>",
        )
    caption = "numbers: rows of the table; bars: 95 % interval"
    finished(figure, "Quality against speed", caption, x=f"pictures a second, {size} at a time", y="map_at_r, 0 to 1")
    ticks = [step * 10.0**power for power in range(math.floor(first), math.ceil(last) + 1) for step in (1, 3)]
    figure.update_xaxes(type="log", rangemode="normal", range=[first, last], tickvals=ticks)
    figure.update_xaxes(ticktext=[f"{tick:,g}" for tick in ticks])
    figure.update_yaxes(range=[low - room, high + room])
    return figure


def _form(gallery: Gallery) -> None:
    own = gallery.encoder()["spec"]
    with st.form(f"compare-{gallery.name}", border=False):
        chosen = st.multiselect(
            "Encoders",
            list(dict.fromkeys([own, *offered_encoders(comparing.USUAL)])),
            default=list(dict.fromkeys([own, *offered_encoders([DEFAULT_ENCODER, comparing.UNTRAINED])])),
            accept_new_options=True,
            help="Or write one of your own, such as torchvision:arch=resnet50,weights=FILE",
        )
        left, right = st.columns(2)
        limit = left.number_input("Pictures, at most", 2, 20_000, comparing.LIMIT, step=500)
        queries = right.text_input("Which of them ask", placeholder="all; or for example split=test")
        st.caption("Networks of torchvision and timm fetch their weights once, up to 550 MB each.")
        if not st.form_submit_button("Compare", type="primary"):
            return
    try:
        filters.check(
            filters.parse([queries] if queries.strip() else []),
            gallery.manifest()["metadata_keys"],
            fields=filters.UNREAD,
        )
    except SemblanceError as error:
        st.error(literal(error))
        return
    if not chosen:
        st.error("Choose at least one encoder.")
        return
    command = ["pipeline", "compare-encoders", "--gallery", gallery.name, "--limit", str(limit)]
    command += [part for spec in chosen for part in ("--encoders", spec)]
    command += ["--queries", queries.strip()] if queries.strip() else []
    try:
        jobs.start(command, title=f"Compare encoders on {gallery.manifest()['title']}", gallery=gallery.name)
    except SemblanceError as error:
        st.error(literal(error))
        return
    st.rerun()
