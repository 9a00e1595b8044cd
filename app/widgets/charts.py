"""One look for the charts of all pages, and the table behind each as a download."""

from __future__ import annotations

import html
import textwrap
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.widgets import downloads
from app.widgets.literal import literal
from pipeline.errors import spreadsheet_cell

HEIGHT = 330
LINE = 68  # characters of a subtitle that a phone shows
_UNUSED = ["pan2d", "zoomIn2d", "zoomOut2d", "select2d", "lasso2d", "autoScale2d"]
_CONFIG: dict[str, Any] = {"displaylogo": False, "modeBarButtonsToRemove": _UNUSED}


def chart(figure: go.Figure, table: pd.DataFrame, name: str, alt: str) -> None:
    """A figure and the data behind it."""
    _as_text(figure)
    with st.container(horizontal_alignment="right", gap="xxsmall"):
        st.plotly_chart(figure, key=f"chart-{name}", config=_CONFIG, alt=alt)
        meaning = f"The data behind this chart: {alt}"
        downloads.button(
            "CSV", f"{name}.csv", lambda: as_csv(table), type="tertiary", help=literal(meaning), key=f"csv-{name}"
        )


def finished(figure: go.Figure, title: str, subtitle: str, *, x: str, y: str) -> go.Figure:
    """One look for all. Dragging scrolls the page, as on a phone it must; the tool bar zooms."""
    lines = [html.escape(line, quote=False) for line in textwrap.wrap(subtitle, LINE)]
    figure.update_layout(
        title={
            "text": html.escape(title, quote=False),
            "subtitle": {"text": "<br>".join(lines), "font": {"size": 12, "weight": 400}},
            "x": 0,
        },
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 48 + 17 * max(1, len(lines)), "b": 0},
        xaxis={"title": {"text": x, "standoff": 10}, "rangemode": "tozero", "automargin": True},
        yaxis={"title": y, "automargin": True},
        legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "bottom", "yref": "container"},
        showlegend=True,
        dragmode=False,
        uirevision=title,
    )
    return figure


def _as_text(figure: go.Figure) -> None:
    """Plotly reads tags in whatever it writes: labels and names are no markup, only our own hover texts are."""
    for trace in figure.data:
        for name in ("x", "y", "text", "customdata", "name", "meta"):
            value = getattr(trace, name, None)
            if isinstance(value, str):
                trace[name] = html.escape(value, quote=False)
            elif value is not None and np.asarray(value).dtype.kind in "OU":
                trace[name] = np.vectorize(_escaped, otypes=[object])(np.asarray(value, dtype=object))


def _escaped(value: object) -> object:
    return html.escape(value, quote=False) if isinstance(value, str) else value


def as_csv(table: pd.DataFrame) -> str:
    shown = table.rename(columns=lambda name: spreadsheet_cell(str(name))).map(spreadsheet_cell)
    return shown.to_csv(index=False, lineterminator="\r\n")  # so that a lone \r inside a cell is quoted, as \n is
