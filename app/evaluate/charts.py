"""The Evaluate page's figures and the tables behind them."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from app.evaluate.reports import Evaluation
from app.widgets.charts import finished

SAME, DIFFERENT = "#0072b2", "#e69f00"


def curve_table(shown: dict[str, Evaluation]) -> pd.DataFrame:
    """encoder, k, recall, precision."""
    return pd.concat(
        pd.DataFrame({"encoder": name, "k": range(1, len(curves["recall"]) + 1)} | {key: curves[key] for key in ("recall", "precision")})
        for name, one in shown.items()
        for curves in [one.about["curves"]]
    )  # fmt: skip


def curve_figure(table: pd.DataFrame, colours: dict[str, str]) -> go.Figure:
    figure = go.Figure()
    for name, rows in table.groupby("encoder", sort=False):
        for metric, dash in (("recall", "solid"), ("precision", "dot")):
            figure.add_scatter(
                x=rows["k"], y=rows[metric], mode="lines", line={"color": colours[str(name)], "dash": dash, "width": 2.4},
                name=f"{name}, {metric}" if len(colours) > 1 else metric,
                hovertemplate=f"{metric}_at_%{{x}} %{{y:.3f}}",  # the name, which may be anybody's, comes beside it
            )  # fmt: skip
    finished(
        figure, "Right hits among the first k", "recall: at least one is right; precision: share that is right",
        x="k, hits", y="share, 0 to 1",
    )  # fmt: skip
    figure.update_yaxes(range=[0, 1.02])
    return figure


def score_table(one: Evaluation) -> pd.DataFrame:
    """from, to: scores of a bin; same, different: pairs in it."""
    scores = one.about["scores"]
    edges = scores["edges"]
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "same": scores["same"], "different": scores["different"]})


def score_figure(one: Evaluation) -> go.Figure:
    table, scores = score_table(one), one.about["scores"]
    figure = go.Figure()
    for name, colour, legend in (("different", DIFFERENT, "different labels"), ("same", SAME, "same label")):
        figure.add_bar(
            x=(table["from"] + table["to"]) / 2, y=table[name], width=table["to"] - table["from"], name=legend,
            marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
            hovertemplate=f"score %{{x:.3f}}<br>%{{y:,}} pairs<extra>{legend}</extra>",
        )  # fmt: skip
    caption = f"AUC {scores['auc']:.3f}; at {scores['eer_threshold']:.3f} as many pairs are missed as wrongly accepted ({scores['eer']:.1%})"
    figure.add_vline(x=scores["eer_threshold"], line={"dash": "dash", "width": 1.5, "color": "#8a93a0"})
    figure.update_layout(barmode="overlay", bargap=0)
    finished(figure, "Same or different?", caption, x="score, cosine", y="pairs")
    figure.update_xaxes(rangemode="normal")
    return figure


def confusion_figure(shares: pd.DataFrame, *, dark: bool) -> go.Figure:
    """Rows are the queries' labels, columns those of their nearest hits; right ones lie on the diagonal."""
    labels = [str(label) for label in shares.index]
    figure = go.Figure(
        go.Heatmap(
            z=shares.to_numpy(), x=labels, y=labels, zmin=0, zmax=1, colorscale="Cividis" if dark else "Blues",
            xgap=1, ygap=1, colorbar={"title": {"text": "share"}, "thickness": 12, "len": 0.9},
            hovertemplate="%{y} finds %{x} first: %{z:.1%}<extra></extra>",
        )
    )  # fmt: skip
    finished(
        figure, "Confusions", "share of a label's queries by the label of the nearest hit",
        x="label of the nearest hit", y="label of the query",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", rangemode="normal")
    figure.update_xaxes(type="category", rangemode="normal", tickangle=-40)
    figure.update_layout(height=max(380, 150 + 22 * len(labels)), showlegend=False)
    return figure
