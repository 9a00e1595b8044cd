"""The step Compare: do the pictures of the shortlist hurt? Bars with intervals, curves, labels, in figures to take away."""

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
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.compare import PARTS, is_stale

COLOURS = {"rest": "#0072b2", "haystack": "#6b7385", "shortlist": "#d55e00", "control": "#8a7400"}
CALLED = {"rest": "H − S, without the shortlist", "haystack": "H, the haystack", "shortlist": "S, the shortlist"}
CALLED |= {"control": "random, as many as S"}


def compare_step(turn: Round) -> None:
    result = turn.result("compare")
    stale = result is not None and is_stale(turn, result)
    if result is None or stale:
        if stale:
            st.warning("The shortlist has changed since; these figures are of the one before.")
        st.markdown(
            "Three measurements of the same detector: on the whole haystack, without the shortlist, and on the shortlist "
            "alone; and on random shortlists of the same size. If the shortlist holds the pictures that hurt, "
            "**mAP(H − S) > mAP(H) > mAP(S)**."
        )
    command = ["compare", turn.case.name]
    if result is None or stale:
        job_button(turn, "Compare", command, title=f"Compare the parts of {turn.case.about['title']}", primary=True)
    if result is None:
        return
    onward(turn, "compare")
    _sentence(result)
    st.html(strips.CSS)
    st.html(_cards(result))
    left, right = st.columns(2, gap="medium")
    with left:
        table = bar_table(result)
        chart(
            bar_figure(table, result), table, f"{turn.case.name}-map", "mAP of the haystack's parts with 95 % intervals"
        )
    with right:
        _curves(turn, result)
    _labels(turn, result)
    _about(turn, result)


def bar_table(result: dict[str, Any]) -> pd.DataFrame:
    """part, map, low, high, pictures."""
    rows = [(name, result["map"][name], result["pictures"][name]) for name in PARTS]
    rows.append(("control", result["control"], result["pictures"]["shortlist"]))
    return pd.DataFrame(
        [(name, CALLED[name], one["value"], one["low"], one["high"], pictures) for name, one, pictures in rows],
        columns=["part", "called", "map", "low", "high", "pictures"],
    )


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
    said = f"95 % intervals: {result['rounds']:,} draws of pictures; random: {result['controls']:,} shortlists"
    finished(figure, "mAP of the parts", said, x="", y="mAP, IoU .50 to .95")
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
def _curves(turn: Round, result: dict[str, Any]) -> None:
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
            f"{turn.case.name}-curves",
            "precision over recall of the haystack's parts",
        )


def _sentence(result: dict[str, Any]) -> None:
    said = result["sentence"]
    if result["clear"]:
        st.success(said, icon=":material/check_circle:")
    elif result["holds"]:
        st.info(said, icon=":material/info:")
    else:
        st.warning(said, icon=":material/error:")


def _cards(result: dict[str, Any]) -> str:
    failing = result["failing"]
    rows = [(CALLED[name], result["map"][name], failing["shares"][name], result["pictures"][name]) for name in PARTS]
    rows.append((CALLED["control"], result["control"], failing["control"]["value"], result["pictures"]["shortlist"]))
    cards = [
        f'<div class="figure"><div class="name">{html.escape(called)}</div><b>{_number(one["value"])}</b> '
        f"<small>{_number(one['low'])} to {_number(one['high'])}</small>"
        f'<span class="meaning">mAP of {pictures:,} pictures, {share:.1%} of them with a failure</span></div>'
        for called, one, share, pictures in rows
    ]
    times = failing["enrichment"]
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
    made = tables["haystack"][["label", "objects"]]
    for name in PARTS:
        made = made.merge(
            tables[name][["label", "map"]].rename(columns={"map": f"mAP {PARTS[name]}"}), on="label", how="left"
        )
    made = made.merge(tables["haystack"][["label", "precision", "recall"]], on="label")
    made["loss"] = made[f"mAP {PARTS['rest']}"] - made[f"mAP {PARTS['shortlist']}"]
    return made.sort_values("loss", ascending=False, ignore_index=True)


def _labels(turn: Round, result: dict[str, Any]) -> None:
    table = label_table(result)
    st.subheader("Labels", anchor=False)
    st.caption(
        "Those that lose most on the shortlist first; precision and recall are of the haystack at the needles' score."
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
        alt="mAP of each label in the haystack's parts",
    )


def _about(turn: Round, result: dict[str, Any]) -> None:
    differences = [
        f"{' less '.join(f'mAP({PARTS[part]})' for part in name.split(' − '))} "
        f"{one['value']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
        for name, one in result["differences"].items()
        if one["low"] is not None
    ]
    st.caption(
        f"Drawn together, picture by picture: {'; '.join(differences)}. Seed {result['seed']}. The labels of the haystack took no "
        "part in choosing the shortlist."
    )
    with st.container(horizontal=True):
        st.download_button(
            "JSON", data=lambda: json.dumps(result, ensure_ascii=False), file_name=f"{turn.case.name}-compare.json",
            mime="application/json", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "CSV", data=lambda: as_csv(label_table(result)), file_name=f"{turn.case.name}-labels.csv", mime="text/csv",
            icon=":material/download:", on_click="ignore", key="hard-labels-csv",
        )  # fmt: skip
