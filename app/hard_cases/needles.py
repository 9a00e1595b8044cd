"""The steps Encode and Needles: the gallery, the failures as crops to keep or leave out, and every outcome beside."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.hard_cases import grid
from app.hard_cases.stepper import onward
from app.server import jobs
from app.widgets import picture_row
from app.widgets.option_form import encoder_choice
from app.widgets.picture_row import Tile
from pipeline.errors import SemblanceError
from pipeline.hard_cases import choices, needles
from pipeline.hard_cases.case import Round
from pipeline.images.display_names import display_name

PAGE, OUTCOMES = 48, 24
SIDE = 148  # pixels: two lines of a needle fit
KINDS = {"fp": "False positives", "fn": "Missed objects", "iou": "Poor boxes", "label": "One label"}


def encode_step(turn: Round) -> None:
    done = turn.result("encode")
    st.markdown(
        "The pictures, or the objects in them, become a gallery: the haystack to search, the reference to ask with. "
        "Objects find a cause that is one thing in a busy picture; whole pictures find a scene, a light, a place."
    )
    with st.expander("Encode again" if done else "How to encode", expanded=done is None, icon=":material/tune:"):
        what = st.segmented_control(
            "Compare", ["Objects", "Whole pictures"], default="Objects", required=True, key="hard-what"
        )
        spec = encoder_choice("hard")
        left, right = st.columns(2)
        margin = left.number_input("Margin around a box", 0.0, 2.0, 0.1, 0.05, help="As a share of each side")
        score = right.number_input("Least score of a predicted box", 0.0, 1.0, 0.3, 0.05)
        command = ["encode", turn.case.name, "--objects" if what == "Objects" else "--pictures", "--encoder", spec]
        command += ["--margin", f"{margin:g}", "--score", f"{score:g}"]
        gallery = f"{turn.case.name}_{'objects' if what == 'Objects' else 'pictures'}"
        job_button(
            turn, "Encode", command, title=f"Encode {turn.case.about['title']}", primary=done is None, gallery=gallery
        )
    onward(turn, "encode")


def needles_step(turn: Round) -> None:
    done = turn.result("needles")
    with st.expander("Look again" if done else "What to look for", expanded=done is None, icon=":material/tune:"):
        _find_form(turn)
    if done is None:
        return
    onward(turn, "needles")
    table, ids = turn.table("needles"), crop_ids(turn)
    _grid(turn, table, ids)
    _outcomes(turn, ids)


def job_button(turn: Round, name: str, command: list[str], *, title: str, primary: bool, gallery: str = "") -> None:
    """Starts `hard-cases COMMAND`; waits while one of this case runs."""
    busy = jobs.running("pipeline", "hard-cases", about=turn.case.name)
    if st.button(
        "Working …" if busy else name,
        type="primary" if primary else "secondary",
        icon=":material/play_arrow:",
        disabled=busy,
        key=f"hard-go-{command[0]}",
    ):
        jobs.start(["pipeline", "hard-cases", *command], title=title, gallery=gallery)
        st.rerun()


def crop_ids(turn: Round) -> dict[tuple[str, int], str]:
    """(source, number) to the gallery's id; (path, -1) where whole pictures were encoded. Empty before `encode`."""
    encoded = turn.result("encode")
    if encoded is None:
        return {}
    crops = turn.table("encode")
    keys = (
        zip(crops["source"], crops["number"], strict=True)
        if encoded["objects"]
        else zip(crops["path"], crops["number"], strict=True)
    )
    return dict(zip(keys, crops["id"], strict=True))


def id_of(ids: dict[tuple[str, int], str], source: str, number: int, path: str) -> str:
    return ids.get((source, number)) or ids.get((path, -1), "")


def told(row: Any) -> tuple[str, str]:
    """Two lines about a needle."""
    score = "" if row.score != row.score else f" · {row.score:.2f}"
    if row.kind == "confused class" and row.truth_label != row.label:
        return f"{row.label}, is {row.truth_label}", f"confused{score} · IoU {row.iou:.2f}"
    return row.label, f"{row.kind}{score}" + (f" · IoU {row.iou:.2f}" if row.iou else "")


def _find_form(turn: Round) -> None:
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    kind = left.segmented_control(
        "Failures", list(KINDS), default="fp", required=True, format_func=KINDS.get, key="hard-kind"
    )
    score = middle.number_input("Least score", 0.0, 1.0, 0.5, 0.05, key="hard-score")
    iou = right.number_input("Found from IoU", 0.15, 1.0, 0.5, 0.05, key="hard-iou")
    if kind == "label":
        kind = f"label={st.selectbox('Label', turn.truth.labels, key='hard-label')}"
    if st.button(
        "Find needles", type="primary" if turn.result("needles") is None else "secondary", icon=":material/search:"
    ):
        try:
            needles.find(turn, kind=kind, score=score, iou=iou)
        except SemblanceError as error:
            st.warning(str(error))
            return
        st.rerun()


def _grid(turn: Round, table: pd.DataFrame, ids: dict[tuple[str, int], str]) -> None:
    kinds = table["kind"].value_counts()
    chosen = st.pills(
        "Kind", list(kinds.index), selection_mode="multi", format_func=lambda kind: f"{kind} {kinds[kind]:,}",
        key="hard-kinds", label_visibility="collapsed",
    )  # fmt: skip
    shown = table[table["kind"].isin(chosen)] if chosen else table
    pages = -(-len(shown) // PAGE)
    page = st.pagination(pages, key=f"hard-needle-page-{pages}") if pages > 1 else 1
    picking(turn, shown.iloc[(page - 1) * PAGE : page * PAGE], ids)


@st.fragment
def picking(turn: Round, some: pd.DataFrame, ids: dict[tuple[str, int], str]) -> None:
    """A click leaves a needle out; only this fragment is drawn anew."""
    out = choices.left_out(turn, "needle")
    with st.container(horizontal=True, vertical_alignment="center"):
        kept = len(choices.kept_needles(turn))
        st.markdown(f"**{kept:,} needles asked with.** Click one, or press X, to leave it out; K keeps it.")
        grid.undo_button(turn, "needles")
    if not ids:
        st.info("Encode first to see the needles as pictures.")
    gallery = (turn.result("encode") or {"gallery": ""})["gallery"]
    tiles = [
        grid.tile(gallery, id_of(ids, row.source, row.number, row.path), row.needle, *told(row), out=row.needle in out)
        for row in some.itertuples()
    ]
    grid.picking_grid(turn, tiles, what="needle", key="hard-needles", side=SIDE)


def _outcomes(turn: Round, ids: dict[tuple[str, int], str]) -> None:
    """Rows of what was found, what is wrong and what was missed on the reference."""
    from pipeline.metrics.detection import match

    if not ids:
        return
    asked = turn.needed("needles")
    with st.expander("Everything on the reference", icon=":material/fact_check:"):
        picture_row.styles()
        reference = turn.split["reference"]
        matched = match(
            turn.truth.only(reference), turn.predictions.only(reference), iou=asked["iou"], score=asked["score"]
        )
        gallery = turn.needed("encode")["gallery"]
        for outcome, called, source, table in (
            ("TP", "found", "prediction", matched.predictions),
            ("FP", "false positives", "prediction", matched.predictions),
            ("FN", "missed", "object", matched.truth),
        ):
            rows = table[table["outcome"] == outcome]
            kind = {"TP": "right", "FP": "wrong", "FN": "out"}[outcome]
            tiles = [
                Tile(picture, row.label, _said(row), alt=f"{called}: {row.label}, {display_name(row.path)}", kind=kind)
                for row in rows.itertuples()
                if (picture := id_of(ids, source, row.number, row.path))
            ][:OUTCOMES]
            picture_row.draw(gallery, tiles, said=f"<b>{len(rows):,} {called}</b>")


def _said(row: Any) -> str:
    score = "" if row.score != row.score else f"{row.score:.2f}"
    return " ".join(part for part in (score, getattr(row, "kind", "")) if part)
