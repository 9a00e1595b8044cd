"""The steps Encode and Needles: the gallery, and the failures as crops to keep or leave out, with every outcome below."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.hard_cases import grid
from app.hard_cases.stepper import onward
from app.server import jobs
from app.widgets import picture_row, states
from app.widgets.literal import literal
from app.widgets.option_form import encoder_choice
from app.widgets.picture_row import Tile
from pipeline.errors import SemblanceError, display_name
from pipeline.hard_cases import review
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.needles import find_failures, matched

PAGE_SIZE, MAX_OUTCOMES = 48, 24
SIDE = 148  # pixels: two lines about a failure fit
KINDS = {"fp": "False positives", "fn": "Missed objects", "iou": "Poor boxes", "label": "One label"}


def encode_step(round: Round) -> None:
    done = round.result("encode")
    st.markdown(
        "The pictures, or the objects in them, become a gallery: the unlabelled pool to search, the failures to search with. "
        "Objects find a cause that is one thing in a busy picture; whole pictures find a scene, a light, a place."
    )
    with st.expander("Encode again" if done else "How to encode", expanded=done is None, icon=":material/tune:"):
        what = states.required(
            st.segmented_control,
            "Compare",
            ["Objects", "Whole pictures"],
            default="Objects",
            required=True,
            key="hard-what",
        )
        spec = encoder_choice("hard")
        left, right = st.columns(2)
        margin = left.number_input("Margin around a box", 0.0, 2.0, 0.1, 0.05, help="As a share of each side")
        score = right.number_input("Least score of a predicted box", 0.0, 1.0, 0.3, 0.05)
        command = ["encode", round.case.name, "--objects" if what == "Objects" else "--pictures", "--encoder", spec]
        command += ["--margin", f"{margin:g}", "--score", f"{score:g}"]
        gallery = f"{round.case.name}_{'objects' if what == 'Objects' else 'pictures'}"
        job_button(
            round, "Encode", command, title=f"Encode {round.case.about['title']}", primary=done is None, gallery=gallery
        )
    onward(round, "encode")


def needles_step(round: Round) -> None:
    done = round.result("needles")
    with st.expander("Change settings" if done else "What to look for", expanded=done is None, icon=":material/tune:"):
        _find_form(round)
    if done is None:
        return
    onward(round, "needles")
    ids = crop_ids(round)
    _grid(round, round.table("needles"), ids)
    _outcomes(round, ids)


def job_button(round: Round, name: str, command: list[str], *, title: str, primary: bool, gallery: str = "") -> None:
    """Starts `hard-cases COMMAND`; waits while one of this case runs."""
    busy = jobs.running("pipeline", "hard-cases", about=round.case.name)
    if st.button(
        "Working …" if busy else name,
        type="primary" if primary else "secondary",
        icon=":material/play_arrow:",
        disabled=busy,
        key=f"hard-go-{command[0]}",
    ):
        jobs.start(["pipeline", "hard-cases", *command], title=title, gallery=gallery)
        st.rerun()


def crop_ids(round: Round) -> dict[tuple[str, int], str]:
    """(source, number) to the gallery's id; (path, -1) where whole pictures were encoded. Empty before `encode`."""
    encoded = round.result("encode")
    if encoded is None:
        return {}
    crops = round.table("encode")
    keys = (
        zip(crops["source"], crops["number"], strict=True)
        if encoded["objects"]
        else zip(crops["path"], crops["number"], strict=True)
    )
    return dict(zip(keys, crops["id"], strict=True))


def id_of(ids: dict[tuple[str, int], str], source: str, number: int, path: str) -> str:
    return ids.get((source, number)) or ids.get((path, -1), "")


def two_lines(failure: Any) -> tuple[str, str]:
    """About a row of the failures."""
    score = "" if failure.score != failure.score else f" · {failure.score:.2f}"
    if failure.kind == "confused class" and failure.truth_label != failure.label:
        return f"{failure.label}, is {failure.truth_label}", f"confused{score} · IoU {failure.iou:.2f}"
    return failure.label, f"{failure.kind}{score}" + (f" · IoU {failure.iou:.2f}" if failure.iou else "")


def _find_form(round: Round) -> None:
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    kind = states.required(
        left.segmented_control,
        "Failures",
        list(KINDS),
        default="fp",
        required=True,
        format_func=KINDS.get,
        key="hard-kind",
    )
    score = middle.number_input("Least score", 0.0, 1.0, 0.5, 0.05, key="hard-score")
    iou = right.number_input("Found from IoU", 0.15, 1.0, 0.5, 0.05, key="hard-iou")
    if kind == "label":
        kind = f"label={st.selectbox('Label', round.truth.labels, key='hard-label')}"
    if st.button(
        "Find failures", type="primary" if round.result("needles") is None else "secondary", icon=":material/search:"
    ):
        try:
            find_failures(round, kind=kind, score=score, iou=iou)
        except SemblanceError as error:
            st.warning(literal(error))
            return
        st.rerun()


def _grid(round: Round, failures: pd.DataFrame, ids: dict[tuple[str, int], str]) -> None:
    kinds = failures["kind"].value_counts()
    chosen = st.pills(
        "Kind", list(kinds.index), selection_mode="multi", format_func=lambda kind: f"{kind} {kinds[kind]:,}",
        key="hard-kinds", label_visibility="collapsed",
    )  # fmt: skip
    shown = failures[failures["kind"].isin(chosen)] if chosen else failures
    pages = -(-len(shown) // PAGE_SIZE)
    page = st.pagination(pages, key=f"hard-needle-page-{pages}") if pages > 1 else 1
    picking(round, shown.iloc[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], ids)


@st.fragment
def picking(round: Round, failures: pd.DataFrame, ids: dict[tuple[str, int], str]) -> None:
    """A click leaves a failure out; only this fragment is drawn anew."""
    out = review.left_out(round, "needle")
    with st.container(horizontal=True, vertical_alignment="center"):
        kept = len(review.kept_failures(round))
        st.markdown(f"**{kept:,} failures used as queries.** Click one, or press X, to exclude it; K keeps it.")
        grid.undo_button(round, "needles")
    if not ids:
        st.info("Encode first to see the failures as pictures.")
    gallery = (round.result("encode") or {"gallery": ""})["gallery"]
    tiles = [
        grid.tile(
            gallery, id_of(ids, row.source, row.number, row.path), row.needle, *two_lines(row), out=row.needle in out
        )
        for row in failures.itertuples()
    ]
    grid.picking_grid(round, tiles, what="needle", key="hard-needles", side=SIDE)


def _outcomes(round: Round, ids: dict[tuple[str, int], str]) -> None:
    """Rows of what was found, what is wrong and what was missed on the reference."""
    if not ids:
        return
    with st.expander("Everything on the reference", icon=":material/fact_check:"):
        picture_row.styles()
        matches = matched(round, round.reference)
        gallery = round.needed("encode")["gallery"]
        for outcome, noun, kind, source, boxes in (
            ("TP", "found", "right", "prediction", matches.predictions),
            ("FP", "false positives", "wrong", "prediction", matches.predictions),
            ("FN", "missed", "out", "object", matches.truth),
        ):
            rows = boxes[boxes["outcome"] == outcome]
            tiles = [
                Tile(picture, row.label, _note(row), alt=f"{noun}: {row.label}, {display_name(row.path)}", kind=kind)
                for row in rows.itertuples()
                if (picture := id_of(ids, source, row.number, row.path))
            ][:MAX_OUTCOMES]
            picture_row.draw(gallery, tiles, said=f"<b>{len(rows):,} {noun}</b>")


def _note(row: Any) -> str:
    score = "" if row.score != row.score else f"{row.score:.2f}"
    return " ".join(part for part in (score, getattr(row, "kind", "")) if part)
