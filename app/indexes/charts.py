"""Charts of a comparison of indexes: ann_recall against speed, what building costs, and what each setting changes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from app.widgets.charts import finished
from pipeline.analysis.colouring import COLOURS

SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star", "triangle-down", "pentagon", "hexagon2")
SPEEDS = {"queries_per_second": "many queries at once", "single_per_second": "one query at a time"}


def table_of(report: dict[str, Any]) -> pd.DataFrame:
    """A row a setting; `base` is what was built, without the settings of the search. Errors come last."""
    made = pd.DataFrame(report["rows"])
    made["base"] = [_base(row) for row in report["rows"]]
    made["setting"] = [", ".join(f"{key} {value}" for key, value in row["options"].items()) for row in report["rows"]]
    return made.sort_values("error", key=lambda column: column != "", kind="stable").reset_index(drop=True)


def _base(row: dict[str, Any]) -> str:
    name, _, options = row["spec"].partition(":")
    kept = [part for part in options.split(",") if part and part.partition("=")[0] not in row["options"]]
    return name + (":" + ",".join(kept) if kept else "")


def looks(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """base to (colour, symbol): 11 and 10 of them have no common divisor, so the first 110 pairs differ."""
    bases = list(dict.fromkeys(table["base"]))
    return {base: (COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)]) for i, base in enumerate(bases)}


def recall_figure(table: pd.DataFrame, speed: str, k: int, *, least: float = 0.0) -> go.Figure:
    """Up and to the right is better; drawn from an ann_recall of `least` on. A line joins the settings of one index; the dotted one the best of all."""
    figure, look = go.Figure(), looks(table)
    good = table[table["error"] == ""]
    best = good[_front(good, speed)].sort_values("ann_recall")
    figure.add_scatter(
        x=best["ann_recall"], y=best[speed], mode="lines", name="best of all",
        line={"color": "#8a8f94", "dash": "dot", "width": 2}, hoverinfo="skip",
    )  # fmt: skip
    for base, rows in good.groupby("base", sort=False):
        rows = rows.sort_values("ann_recall")
        colour, symbol = look[str(base)]
        figure.add_scatter(
            x=rows["ann_recall"],
            y=rows[speed],
            mode="lines+markers",
            name=str(base),
            line={"color": colour, "width": 1.5},
            marker={"color": colour, "symbol": symbol, "size": 9},
            customdata=rows[["setting", "p50_ms", "p99_ms"]],
            hovertemplate="ann_recall %{x:.4f}<br>%{y:,.0f} queries/s<br>p50 %{customdata[1]:.3f} ms, p99 "
            "%{customdata[2]:.3f} ms<br>%{customdata[0]}",
        )
    finished(figure, "How exact, how quick", SPEEDS[speed], x=f"ann_recall at {k}", y="queries a second")
    figure.update_yaxes(type="log", rangemode="normal", dtick=1)
    lowest = max(float(good["ann_recall"].min()), least)
    figure.update_xaxes(rangemode="normal", range=[lowest - 0.04 * (1 - lowest), 1 + 0.03 * (1 - lowest) + 1e-4])
    return figure.update_layout(height=520, margin_b=130)


def _front(rows: pd.DataFrame, speed: str) -> list[bool]:
    pairs = list(zip(rows["ann_recall"], rows[speed], strict=True))
    return [not any(a >= x and b >= y and (a, b) != (x, y) for a, b in pairs) for x, y in pairs]


def cost_table(table: pd.DataFrame) -> pd.DataFrame:
    """What building each index costs: the most over its settings, which share one building."""
    good = table[table["error"] == ""].assign(disk=lambda rows: rows["bytes_on_disk"].astype(float) / 1e6)
    made = good.groupby("base", sort=False)[["build_seconds", "disk", "megabytes"]].max().reset_index()
    return made.sort_values("build_seconds").rename(columns={"disk": "disk_mb", "megabytes": "memory_mb"})


def cost_figure(costs: pd.DataFrame, columns: dict[str, str], title: str, subtitle: str, unit: str) -> go.Figure:
    """columns: of `costs`, with their names in the legend."""
    figure = go.Figure()
    for (column, name), colour in zip(columns.items(), COLOURS, strict=False):
        figure.add_bar(
            y=costs["base"], x=costs[column], name=name, orientation="h", marker={"color": colour},
            hovertemplate="%{y}: %{x:,.2f} " + unit + "<extra>" + name + "</extra>",
        )  # fmt: skip
    finished(figure, title, subtitle, x=unit, y="")
    figure.update_layout(height=120 + 26 * max(len(costs), 4), showlegend=len(columns) > 1, margin_b=70)
    return figure.update_xaxes(type="log", rangemode="normal")


def sweep_figure(rows: pd.DataFrame, option: str) -> go.Figure:
    """ann_recall on the left, speed on the right, as one setting of the search grows."""
    figure = go.Figure()
    values = [options[option] for options in rows["options"]]
    for column, name, colour, axis in (
        ("ann_recall", "ann_recall", COLOURS[0], "y"),
        ("queries_per_second", "queries a second", COLOURS[1], "y2"),
    ):
        figure.add_scatter(
            x=values, y=rows[column], name=name, yaxis=axis, mode="lines+markers", line={"color": colour},
            marker={"symbol": "circle" if axis == "y" else "square", "size": 8},
        )  # fmt: skip
    finished(figure, f"What {option} changes", rows["base"].iloc[0], x=option, y="ann_recall")
    figure.update_layout(
        yaxis2={
            "title": "queries a second",
            "overlaying": "y",
            "side": "right",
            "rangemode": "tozero",
            "showgrid": False,
        },
        margin_b=70,
    )
    figure.update_xaxes(
        type="log", rangemode="normal", tickvals=sorted(set(values)), ticktext=[f"{v:,}" for v in sorted(set(values))]
    )
    return figure.update_yaxes(rangemode="normal", selector={"anchor": "x"})
