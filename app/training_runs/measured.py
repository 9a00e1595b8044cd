"""What `python -m training evaluate` found of a run: a row a metric, and the paper's score over K."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.training_runs.charts import NEGATIVE, POSITIVE
from app.training_runs.facts import Snapshot
from app.widgets.charts import chart, finished
from app.widgets.literal import literal
from pipeline.errors import SemblanceError

OTHERS = "#009e73", "#cc79a7", "#56b4e9"


def measured(snapshot: Snapshot) -> None:
    """Nothing before the first evaluation. SemblanceError for a report that cannot be read."""
    evaluation = snapshot.part("evaluation")
    if not evaluation:
        return
    try:
        rows, scores = figures(evaluation), score_table(evaluation)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SemblanceError(
            f"what was measured of {snapshot.name} cannot be read ({error!r}); its run.json is damaged: evaluate it again"
        ) from None
    st.markdown(
        f"**Measured on pictures that did not teach** with `python -m training evaluate {literal(snapshot.name)}`"
    )
    st.dataframe(rows, hide_index=True, alt=f"what was measured of {snapshot.name}, a row a metric")
    if len(scores):
        chart(score_figure(scores), scores, f"score-{snapshot.name}", f"score at top K of {snapshot.name}")


def golden_weights(snapshot: Snapshot) -> str:
    """What drew the triplets, and where it was learned what judgments that taught nothing say of it; "" for other losses."""
    used = snapshot.part("relevance").get("weights")
    if not isinstance(used, dict):
        return ""
    said = ", ".join(f"{name} {float(weight):.3g}" for name, weight in used.items() if isinstance(weight, int | float))
    learned = snapshot.part("golden")
    try:
        before, after, gain = (learned[part] for part in ("before", "after", "difference"))
        return (
            f"{said}; learned from {learned['taught']:,} judgments of {learned['judges']}: {after['value']:.1%} of "
            f"{learned['held_out']:,} others agree, {before['value']:.1%} with the usual weights, a difference of "
            f"{100 * gain['value']:+.1f} points ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
        )
    except (KeyError, TypeError, ValueError):
        return said


def figures(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Measured on, Metric, Value, 95 %: counts as they are, shares with three digits."""
    rows = [
        (name, metric, _said(found["value"]), f"{_said(found['low'])} to {_said(found['high'])}")
        for name, report in evaluation.items()
        for metric, found in report["metrics"].items()
    ]
    return pd.DataFrame(rows, columns=["Measured on", "Metric", "Value", "95 %"])


def score_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """measured, k, score, counted, triplets: of the reports that were asked for --score-at."""
    rows = [
        (name, k, int(score), int(counted), int(report["score_at"]["triplets"]))
        for name, report in evaluation.items()
        if report.get("score_at")
        for k, (score, counted) in enumerate(
            zip(report["score_at"]["scores"], report["score_at"]["counted"], strict=True), start=1
        )
    ]
    return pd.DataFrame(rows, columns=["measured", "k", "score", "counted", "triplets"])


def score_figure(table: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    colours = (POSITIVE, NEGATIVE, *OTHERS)
    for place, (name, rows) in enumerate(table.groupby("measured", sort=False)):
        figure.add_scatter(
            x=rows["k"],
            y=rows["score"],
            customdata=rows[["counted", "triplets"]],
            name=str(name),
            mode="lines" if len(rows) > 1 else "markers",
            line={"color": colours[place % len(colours)], "width": 2},
            hovertemplate="%{y:,} of %{customdata[0]:,} counted, %{customdata[1]:,} in all, at %{x}<extra></extra>",
        )
    figure.update_layout(showlegend=table["measured"].nunique() > 1)
    said = "right minus wrong triplets, of those with a picture among the anchor's first K"
    return finished(figure, "Score at top K", said, x="K", y="score, triplets")


def _said(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{float(value):.3f}"
