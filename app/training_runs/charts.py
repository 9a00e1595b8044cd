"""The Training page's figures, and the tables behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from app.widgets.charts import finished
from pipeline.errors import SemblanceError

POSITIVE, NEGATIVE = "#0072b2", "#e69f00"


@dataclass(frozen=True)
class Curve:
    """One chart over steps: a colour a run, a line style a metric."""

    title: str
    unit: str
    kind: str  # which lines of metrics.jsonl
    metrics: dict[str, str] = field(hash=False)  # name to what the legend calls it, the first drawn solid

    @property
    def name(self) -> str:
        return next(iter(self.metrics))


CURVES = (
    Curve("Loss", "loss, no unit", "train", {"loss": ""}),
    Curve("Neighbours on dev", "share of queries", "dev", {"recall_at_1": "recall_at_1", "knn_20": "knn_20"}),
    Curve("Ranking on dev", "map_at_r, 0 to 1", "dev", {"map_at_r": ""}),
    Curve(
        "Triplet order on dev",
        "similarity_precision, 0 to 1",
        "dev",
        {"similarity_precision": "by label", "similarity_precision_in_class": "within a label"},
    ),
    Curve("Active triplets", "share of triplets with a loss", "train", {"active_share": ""}),
    Curve(
        "Distances in a batch",
        "squared distance, 0 to 4",
        "train",
        {"d_positive": "anchor to positive", "d_negative": "anchor to negative"},
    ),
    Curve("Effective rank on dev", "dimensions in use", "dev", {"effective_rank": ""}),
    Curve("Learning rate", "lr, no unit", "train", {"lr": ""}),
)
DASHES = ("solid", "dot")


def curve_table(curve: Curve, runs: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """run, metric, step, seconds, value; no rows when no run has any of the curve's metrics."""
    rows = [
        (name, metric, line["step"], line.get("seconds"), line[metric])
        for name, lines in runs.items()
        for metric in curve.metrics
        for line in lines
        if line["kind"] == curve.kind and metric in line
    ]
    table = pd.DataFrame(rows, columns=["run", "metric", "step", "seconds", "value"])
    table["value"] = pd.to_numeric(table["value"], errors="coerce")
    return table.dropna(subset=["value"])


def curve_figure(curve: Curve, table: pd.DataFrame, colours: dict[str, str]) -> go.Figure:
    figure = go.Figure()
    drawn = [metric for metric in curve.metrics if (table["metric"] == metric).any()]
    for (run, metric), rows in table.groupby(["run", "metric"], sort=False):
        called = curve.metrics[metric]
        figure.add_scatter(
            x=rows["step"],
            y=rows["value"],
            name=run,
            legendgroup=run,
            showlegend=metric == drawn[0],
            mode="lines+markers" if len(rows) < 40 else "lines",
            line={"color": colours[run], "dash": DASHES[drawn.index(metric)], "width": 2},
            marker={"size": 5},
            meta=" ".join(filter(None, (run, called))),
            hovertemplate="%{y:.4g} at step %{x:,}<extra>%{meta}</extra>",
        )
    styles = ("solid", "dotted") if len(drawn) > 1 else ("",)
    said = ", ".join(f"{style}: {curve.metrics[metric]}" for style, metric in zip(styles, drawn, strict=False) if style)
    return finished(figure, curve.title, said, x="step", y=curve.unit)


def distance_table(distances: dict[str, list[float]], name: str) -> pd.DataFrame:
    """from, to (squared distance), positive, negative (triplets). SemblanceError when the counts do not fit the edges."""
    try:
        edges = distances["edges"]
        counts = {"positive": distances["positive"], "negative": distances["negative"]}
        return pd.DataFrame({"from": edges[:-1], "to": edges[1:], **counts}).astype(float)
    except (KeyError, TypeError, ValueError) as error:
        raise SemblanceError(
            f"the distances of {name} cannot be drawn ({error}); its distances.json is damaged"
        ) from None


def distance_figure(table: pd.DataFrame, name: str) -> go.Figure:
    figure = go.Figure()
    middle, width = (table["from"] + table["to"]) / 2, table["to"] - table["from"]
    for called, colour, pattern in (("positive", POSITIVE, ""), ("negative", NEGATIVE, "/")):
        figure.add_bar(
            x=middle,
            y=table[called],
            width=width,
            name=f"anchor to {called}",
            marker={"color": colour, "opacity": 0.65, "line_width": 0, "pattern_shape": pattern},
            hovertemplate="%{y:,} triplets near %{x:.2f}<extra>anchor to " + called + "</extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0)
    return finished(figure, "Distances on dev", name, x="squared distance, 0 to 4", y="triplets")


def colours_for(names: Iterable[str], held: dict[str, int], palette: list[str]) -> dict[str, str]:
    """A colour a name. A name keeps its colour while it stays; `held` remembers which, and is changed."""
    names = list(names)
    for gone in set(held) - set(names):
        del held[gone]
    for name in names:
        free = (place for place in range(len(names) + len(held) + 1) if place not in held.values())
        held.setdefault(name, next(free))
    return {name: palette[held[name] % len(palette)] for name in names}
