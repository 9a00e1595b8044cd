"""The step Compare: do the pictures of the shortlist hurt? Bars with intervals, curves and labels, each with its data."""

from __future__ import annotations

import html
import json
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.hard_cases.needles import job_button
from app.hard_cases.stepper import onward
from app.widgets import strips
from app.widgets.charts import as_csv, chart, finished
from app.widgets.literal import literal
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.compare import PARTS, is_stale

COLOURS = {"rest": "#0072b2", "haystack": "#6b7385", "shortlist": "#d55e00", "control": "#8a7400"}
TITLES = {"rest": "H − S, without the shortlist", "haystack": "H, the whole pool", "shortlist": "S, the shortlist"}
TITLES |= {"control": "random, as many as S"}


def compare_step(round: Round) -> None:
    result = round.result("compare")
    stale = result is not None and is_stale(round, result)
    if result is None or stale:
        if stale:
            st.warning("The shortlist has changed since; these figures are of the one before.")
        st.markdown(
            "Three measurements of the same detector: on the whole pool, without the shortlist, and on the shortlist "
            "alone; and on random shortlists of the same size. If the shortlist holds the pictures that it gets wrong, mAP "
            "rises without it and is lowest on it alone."
        )
    command = ["compare", round.case.name]
    if result is None or stale:
        job_button(round, "Compare", command, title=f"Compare the parts of {round.case.about['title']}", primary=True)
    if result is None:
        return
    onward(round, "compare")
    _sentence(result)
    st.html(strips.CSS)
    st.html(_cards(result))
    left, right = st.columns(2, gap="medium")
    with left:
        table = bar_table(result)
        chart(
            bar_figure(table, result),
            table,
            f"{round.case.name}-map",
            "mAP of the pool's parts with 95 % intervals",
        )
    with right:
        _curves(round, result)
    _labels(round, result)
    _about(round, result)


def bar_table(result: dict[str, Any]) -> pd.DataFrame:
    """part, called, map, low, high, pictures."""
    return pd.DataFrame(
        [
            (part, TITLES[part], *(interval[name] for name in ("value", "low", "high")), pictures)
            for part, interval, _, pictures in _bars(result)
        ],
        columns=["part", "called", "map", "low", "high", "pictures"],
    )


def _bars(result: dict[str, Any]) -> list[tuple[str, dict[str, Any], float, int]]:
    """Of each part and the control: mAP with its interval, the share of failing pictures, how many pictures."""
    failing, pictures = result["failing"], result["pictures"]
    bars = [(part, result["map"][part], failing["shares"][part], pictures[part]) for part in PARTS]
    return [*bars, ("control", result["control"], failing["control"]["value"], pictures["shortlist"])]


def bar_figure(table: pd.DataFrame, result: dict[str, Any]) -> go.Figure:
    figure = go.Figure()
    short = PARTS | {"control": "random"}
    figure.add_bar(
        x=[short[name] for name in table["part"]],
        y=table["map"],
        error_y={
            "array": table["high"] - table["map"],
            "arrayminus": table["map"] - table["low"],
            "thickness": 2,
            "width": 9,
            "color": ink(),
        },
        marker={"color": [COLOURS[name] for name in table["part"]], "opacity": 0.85},
        text=[f"{value:.3f}" for value in table["map"]],
        textposition="inside",
        insidetextanchor="start",
        textfont={"color": "#fff", "size": 15},
        customdata=table[["called", "low", "high", "pictures"]],
        hovertemplate="%{customdata[0]}: %{y:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f}), %{customdata[3]:,} pictures<extra></extra>",
    )
    subtitle = f"95 % intervals: {result['rounds']:,} draws of pictures; random: {result['controls']:,} shortlists"
    finished(figure, "mAP of the parts", subtitle, x="", y="mAP, IoU .50 to .95")
    return (
        figure.update_layout(showlegend=False, margin_b=36).update_yaxes(range=[0, 1.02]).update_xaxes(type="category")
    )


def ink() -> str:
    """Of intervals: plotly's own is dark on dark."""
    return "#e8ecec" if st.context.theme.type == "dark" else "#1c2126"


def curve_table(result: dict[str, Any], label: str) -> pd.DataFrame:
    """part, recall, precision."""
    return pd.DataFrame(
        [
            (name, recall / 100, precision)
            for name in PARTS
            for recall, precision in enumerate(result["detections"][name]["curves"].get(label, []))
        ],
        columns=["part", "recall", "precision"],
    )


def curve_figure(table: pd.DataFrame, label: str) -> go.Figure:
    figure = go.Figure()
    for name, dash in (("rest", "solid"), ("haystack", "dash"), ("shortlist", "dot")):
        rows = table[table["part"] == name]
        figure.add_scatter(
            x=rows["recall"], y=rows["precision"], mode="lines", name=PARTS[name],
            line={"color": COLOURS[name], "dash": dash, "width": 2.6},
            hovertemplate=f"recall %{{x:.2f}}, precision %{{y:.3f}}<extra>{PARTS[name]}</extra>",
        )  # fmt: skip
    finished(figure, "Precision over recall", f"at IoU .5, {label or 'mean over labels'}", x="recall", y="precision")
    figure.update_yaxes(range=[0, 1.02])
    return figure.update_xaxes(range=[0, 1.0])


@st.fragment
def _curves(round: Round, result: dict[str, Any]) -> None:
    labels = sorted(result["detections"]["haystack"]["curves"])
    place = st.container()
    label = st.selectbox(
        "Label", labels, format_func=lambda name: name or "mean over labels", key="hard-curve", width=240
    )
    table = curve_table(result, label)
    with place:
        chart(
            curve_figure(table, label),
            table,
            f"{round.case.name}-curves",
            "precision over recall of the pool's parts",
        )


def _sentence(result: dict[str, Any]) -> None:
    if result["clear"]:
        st.success(literal(result["sentence"]), icon=":material/check_circle:")
    elif result["holds"]:
        st.info(literal(result["sentence"]), icon=":material/info:")
    else:
        st.warning(literal(result["sentence"]), icon=":material/error:")


def _cards(result: dict[str, Any]) -> str:
    cards = [
        f'<div class="figure"><div class="name">{html.escape(TITLES[part])}</div><b>{_number(interval["value"])}</b> '
        f"<small>{_number(interval['low'])} to {_number(interval['high'])}</small>"
        f'<span class="meaning">mAP of {pictures:,} pictures, {failing:.1%} of them with a failure</span></div>'
        for part, interval, failing, pictures in _bars(result)
    ]
    times = result["failing"]["enrichment"]
    cards.append(
        f'<div class="figure"><div class="name">Enrichment</div><b>{"none" if times is None else f"{times:.1f} ×"}</b> '
        f'<span class="meaning">as many pictures with a failure as a random shortlist has</span></div>'
    )
    return f'<div class="figures">{"".join(cards)}</div>'


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def label_table(result: dict[str, Any]) -> pd.DataFrame:
    """label, objects and mAP in the parts, the largest loss first."""
    tables = {
        name: pd.DataFrame(
            result["detections"][name]["per_label"], columns=["label", "objects", "map", "precision", "recall"]
        )
        for name in PARTS
    }
    table = tables["haystack"][["label", "objects"]]
    for name in PARTS:
        table = table.merge(
            tables[name][["label", "map"]].rename(columns={"map": f"mAP {PARTS[name]}"}), on="label", how="left"
        )
    table = table.merge(tables["haystack"][["label", "precision", "recall"]], on="label")
    table["loss"] = table[f"mAP {PARTS['rest']}"] - table[f"mAP {PARTS['shortlist']}"]
    return table.sort_values("loss", ascending=False, ignore_index=True)


def _labels(round: Round, result: dict[str, Any]) -> None:
    table = label_table(result)
    st.subheader("Labels", anchor=False)
    st.caption(
        "Those that lose most on the shortlist first; precision and recall are of the pool at the failures' score."
    )
    st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 35 * len(table), 420),
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in table.columns
            if name not in ("label", "objects")
        },
        alt="mAP of each label in the pool's parts",
    )


def _about(round: Round, result: dict[str, Any]) -> None:
    differences = [
        f"{' less '.join(f'mAP({PARTS[part]})' for part in name.split(' − '))} "
        f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
        for name, difference in result["differences"].items()
        if difference["low"] is not None
    ]
    st.caption(
        f"Drawn together, picture by picture: {'; '.join(differences)}. Seed {literal(result['seed'])}. The labels of the pool took no "
        "part in choosing the shortlist."
    )
    with st.container(horizontal=True):
        st.download_button(
            "JSON", data=lambda: json.dumps(result, ensure_ascii=False), file_name=f"{round.case.name}-compare.json",
            mime="application/json", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "CSV", data=lambda: as_csv(label_table(result)), file_name=f"{round.case.name}-labels.csv", mime="text/csv",
            icon=":material/download:", on_click="ignore", key="hard-labels-csv",
        )  # fmt: skip
