"""The gallery's pairs as charts: the ROC, the scores of both kinds, and the figures of each false accept rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.pairs.verdict import interval, percent
from app.widgets.charts import as_csv, chart, finished
from app.widgets.literal import literal
from pipeline.recognition import verification
from pipeline.recognition.verification import Curve

SAME, DIFFERENT, MARK = "#0072b2", "#e69f00", "#d55e00"
BINS = 60
POINTS = 400  # of the ROC drawn, evenly over its logarithm


def pairs_section(curve: Curve, *, rate: float, score: float | None) -> None:
    """score: of the pair that is looked at, which is marked."""
    report = curve.report
    counts = report["pairs"][verification.MEASURE]
    st.subheader("This gallery's pairs", anchor=False)
    st.markdown(
        f"{counts['same']:,} same and {counts['different']:,} different pairs {_source(report)}, of {counts['pictures']:,} pictures "
        "that did not choose the thresholds."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        table = roc_table(curve)
        chart(roc_figure(curve, table, rate=rate, score=score), table, "roc", "true accept rate over false accept rate")
    with right:
        table = score_table(curve)
        threshold = verification.point_of(curve, rate)["threshold"]
        figure = score_figure(curve, table, threshold=threshold, score=score)
        chart(figure, table, "pair-scores", "scores of same and of different pairs")
    points(curve)


def _source(report: dict[str, Any]) -> str:
    if verification.is_list(report["by"]):
        return f"from {literal(report.get('file', 'a file'))}"
    return f"by {literal(report['by'])}"


def roc_table(curve: Curve) -> pd.DataFrame:
    """threshold, false_accept_rate, true_accept_rate: at most POINTS of the curve's own points."""
    roc = curve.roc()
    rates = roc.false_accept_rate
    wanted = np.geomspace(1 / roc.n_different, 1, POINTS)
    chosen = np.unique(np.searchsorted(rates, wanted, side="right") - 1)
    return pd.DataFrame(
        {
            "threshold": roc.thresholds[chosen],
            "false_accept_rate": rates[chosen],
            "true_accept_rate": roc.true_accept_rate[chosen],
        }
    )


def roc_figure(curve: Curve, table: pd.DataFrame, *, rate: float, score: float | None) -> go.Figure:
    least = 1 / curve.report["pairs"][verification.MEASURE]["different"]
    figure = go.Figure()
    figure.add_scatter(
        x=table["false_accept_rate"].clip(lower=least), y=table["true_accept_rate"], mode="lines", name="this gallery",
        line={"color": SAME, "width": 2.4, "shape": "hv"}, customdata=table["threshold"],
        hovertemplate="score ≥ %{customdata:.3f}<br>accepts %{y:.1%} of same, %{x:.2%} of different pairs<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=table["false_accept_rate"].clip(lower=least), y=table["false_accept_rate"], mode="lines", name="chance",
        line={"color": "#8a93a0", "dash": "dot", "width": 1.5}, hoverinfo="skip",
    )  # fmt: skip
    point = verification.point_of(curve, rate)
    _mark(
        figure,
        point["false_accept"]["value"],
        point["true_accept"]["value"],
        f"threshold at {percent(rate)}",
        least,
        "diamond",
    )
    if score is not None:
        this = verification.decide(curve, score, rate=rate)
        share = this.higher / this.n_different
        _mark(figure, share, 1 - this.lower / this.n_same, "this score", least, "circle")
    finished(
        figure, "How many same pairs are found", f"AUC {curve.report['auc']:.3f}; the share of different pairs is on a logarithmic scale",
        x="different pairs accepted, share", y="same pairs accepted, share",
    )  # fmt: skip
    figure.update_xaxes(type="log", rangemode="normal", range=[np.log10(least), 0.02], tickformat=".2~%", dtick=1)
    figure.update_yaxes(range=[0, 1.02])
    return figure


def _mark(figure: go.Figure, x: float, y: float, name: str, least: float, symbol: str) -> None:
    figure.add_scatter(
        x=[max(x, least)], y=[y], mode="markers", name=name, marker={"size": 11, "color": MARK, "symbol": symbol},
        hovertemplate=f"{name}<br>%{{y:.1%}} of same, {x:.2%} of different pairs<extra></extra>",
    )  # fmt: skip


def score_table(curve: Curve) -> pd.DataFrame:
    """from, to: scores of a bin; same, different: share of each kind's pairs in it."""
    same, different = curve.scores()
    low, high = float(min(same.min(), different.min())), float(max(same.max(), different.max()))
    edges = np.linspace(low, max(high, low + 1e-6), BINS + 1)
    shares = {
        name: np.histogram(scores, edges)[0] / len(scores)
        for name, scores in (("same", same), ("different", different))
    }
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:]} | shares)


def score_figure(curve: Curve, table: pd.DataFrame, *, threshold: float, score: float | None) -> go.Figure:
    figure = go.Figure()
    for name, colour in (("different", DIFFERENT), ("same", SAME)):
        figure.add_bar(
            x=(table["from"] + table["to"]) / 2, y=table[name], width=table["to"] - table["from"], name=f"{name} pairs",
            marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
            hovertemplate=f"score %{{x:.3f}}<br>%{{y:.1%}} of {name} pairs<extra></extra>",
        )  # fmt: skip
    top = float(table[["same", "different"]].max().max()) * 1.08
    for name, at, dash in (("threshold", threshold, "dash"), ("this score", score, "solid")):
        if at is not None:
            figure.add_scatter(
                x=[at, at], y=[0, top], mode="lines", name=name, line={"dash": dash, "width": 2, "color": MARK},
                hovertemplate=f"{name} {at:.3f}<extra></extra>",
            )  # fmt: skip
    subtitle = f"equal error rate {percent(curve.report['eer'])} at score {curve.report['eer_threshold']:.3f}"
    figure.update_layout(barmode="overlay", bargap=0)
    finished(figure, "Scores of same and different pairs", subtitle, x="score, cosine", y="share of its kind")
    figure.update_xaxes(rangemode="normal")
    figure.update_yaxes(tickformat=".0%", range=[0, top])
    return figure


def points(curve: Curve) -> None:
    """The figures of each rate, and of the curve as a whole."""
    table = points_table(curve)
    st.dataframe(table, hide_index=True, width="stretch", alt="thresholds and rates at three false accept rates")
    report = curve.report
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(
            f"AUC {report['auc']:.4f} · equal error rate {percent(report['eer'])} at score {report['eer_threshold']:.4f} · "
            f"{literal(report['encoder'])} · seed {literal(report['seed'])} · intervals of 95 %: bootstrap over pictures"
        )
        st.download_button(
            "CSV", data=lambda: as_csv(table), file_name="false-accept-rates.csv", mime="text/csv", type="tertiary",
            icon=":material/download:", on_click="ignore", key="csv-false-accept-rates",
        )  # fmt: skip


def points_table(curve: Curve) -> pd.DataFrame:
    """Cells as they are read; `note` only where there is one."""
    table = pd.DataFrame(
        [
            {
                "false accept rate": percent(point["rate"]),
                "threshold": f"{point['threshold']:.3f}",
                "same pairs accepted": interval(point["true_accept"]),
                "different pairs accepted": interval(point["false_accept"]),
                "note": "" if point["enough"] else f"too few: needs {1 / point['rate']:,.0f} different pairs",
            }
            for point in curve.report["points"]
        ]
    )
    return table if table["note"].any() else table.drop(columns="note")
