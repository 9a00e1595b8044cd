"""The charts of a fine-tuning: labels before and after, and the held-out pictures on two maps."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from app.widgets.charts import finished
from pipeline.analysis.colouring import COLOURS, REST

BEFORE, AFTER = "#8a93a0", "#0072b2"


def labels_figure(worst: pd.DataFrame) -> go.Figure:
    """worst: label, map_at_r before, map_at_r after; the worst first."""
    figure = go.Figure()
    for when, colour in (("before", BEFORE), ("after", AFTER)):
        figure.add_bar(
            y=worst["label"], x=worst[f"map_at_r {when}"], orientation="h", name=when, marker={"color": colour},
            hovertemplate=f"%{{y}}: map_at_r %{{x:.3f}}<extra>{when}</extra>",
        )  # fmt: skip
    said = f"the {len(worst)} labels that were found worst before"
    finished(figure, "Worst labels, before and after", said, x="map_at_r, 0 to 1", y="")
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.05)
    figure.update_yaxes(type="category", autorange="reversed", rangemode="normal")
    figure.update_xaxes(range=[0, 1])
    return figure


def map_figure(table: pd.DataFrame, when: str) -> go.Figure:
    """table: label, before_x, before_y, after_x, after_y. The commonest labels have a colour each."""
    figure = go.Figure()
    common = table["label"].value_counts().index[: len(COLOURS)]
    colours = dict(zip(common, COLOURS, strict=False))
    for label in [*sorted(common), None]:
        rows = table[table["label"] == label] if label is not None else table[~table["label"].isin(common)]
        if len(rows):
            name = label or "others"
            figure.add_scatter(
                x=rows[f"{when}_x"], y=rows[f"{when}_y"], mode="markers", name=name,
                marker={"size": 6, "color": colours.get(label, REST), "opacity": 0.85},
                hovertemplate="%{fullData.name}<extra></extra>",
            )  # fmt: skip
    finished(figure, f"Map {when}", "t-SNE of the held-out pictures", x="", y="")
    figure.update_layout(height=430)
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(showticklabels=False, showgrid=False, zeroline=False, rangemode="normal", title="")
    return figure
