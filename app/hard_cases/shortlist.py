"""The step Shortlist: for each failure the pictures near it, to keep or take off."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.hard_cases import grid
from app.hard_cases.needles import crop_ids, id_of, job_button, two_lines
from app.hard_cases.stepper import onward
from app.server.routes import thumbnail_url
from app.widgets import states
from pipeline.hard_cases import review, shortlist
from pipeline.hard_cases.case import Round

GROUPS_A_PAGE, PICTURES_A_PAGE = 6, 24  # by needle; nearest first


def shortlist_step(round: Round) -> None:
    done = round.result("shortlist")
    with st.expander("Search again" if done else "How near", expanded=done is None, icon=":material/tune:"):
        left, middle, right = st.columns(3, vertical_alignment="bottom")
        k = left.number_input("Pictures a failure (k)", 1, 1000, shortlist.K)
        automatic = middle.toggle(
            "Least score by the gallery", value=True, help="Closer than 99 in 100 random pairs of it"
        )
        min_score = middle.number_input("Least score", -1.0, 1.0, 0.8, 0.01, disabled=automatic)
        most = right.number_input("At most, pictures", 0, 1_000_000, 0, help="The nearest ones; 0 = all")
        command = ["shortlist", round.case.name, "-k", str(k), "--min-score", "auto" if automatic else f"{min_score:g}"]
        command += ["--most", str(most)]
        job_button(round, "Search", command, title=f"Shortlist of {round.case.about['title']}", primary=done is None)
    if done is None:
        return
    onward(round, "shortlist")
    review_list(round)


@st.fragment
def review_list(round: Round) -> None:
    rows, encoded = round.table("shortlist"), round.needed("encode")
    rows = rows[(rows["copy_of"] == "") & ~rows["needle"].isin(review.left_out(round, "needle"))]
    out = review.left_out(round, "picture")
    with st.container(horizontal=True, vertical_alignment="center"):
        now = int(rows.loc[~rows["path"].isin(out), "path"].nunique())
        st.markdown(f"**{now:,} pictures on the shortlist.** Click one, or press X, to take it off; K puts it back.")
        grid.undo_button(round, "shortlist")
    if rows.empty:
        st.info("Every failure was excluded; take one back in the step Failures.")
        return
    way = states.required(st.segmented_control, 
        "Order", ["By failure", "Nearest first"], default="By failure", required=True, key="hard-order",
        label_visibility="collapsed",
    )  # fmt: skip
    tiles = (
        _by_needle(round, rows, encoded["gallery"], out)
        if way == "By failure"
        else _nearest(rows, encoded["gallery"], out)
    )
    grid.picking_grid(round, tiles, what="picture", key="hard-shortlist")


def _by_needle(round: Round, rows: pd.DataFrame, gallery: str, out: set[str]) -> list[dict]:
    failures = round.table("needles").set_index("needle", drop=False)
    order = list(dict.fromkeys(rows["needle"]))
    pages = -(-len(order) // GROUPS_A_PAGE)
    page = st.pagination(pages, key=f"hard-groups-{pages}") if pages > 1 else 1
    ids = crop_ids(round)
    tiles = []
    for name in order[(page - 1) * GROUPS_A_PAGE : page * GROUPS_A_PAGE]:
        failure, group = failures.loc[name], rows[rows["needle"] == name]
        picture = id_of(ids, failure.source, failure.number, failure.path)
        first, second = two_lines(failure)
        src = thumbnail_url(gallery, picture) if picture else ""
        tiles.append(grid.heading(first, f"{second} · {len(group):,} near", src=src))
        tiles += [_tile(gallery, row, out) for row in group.itertuples()]
    return tiles


def _nearest(rows: pd.DataFrame, gallery: str, out: set[str]) -> list[dict]:
    best = rows.sort_values("score", ascending=False, kind="stable").drop_duplicates("path")
    pages = -(-len(best) // PICTURES_A_PAGE)
    page = st.pagination(pages, key=f"hard-nearest-{pages}") if pages > 1 else 1
    shown = best.iloc[(page - 1) * PICTURES_A_PAGE : page * PICTURES_A_PAGE]
    return [_tile(gallery, row, out) for row in shown.itertuples()]


def _tile(gallery: str, row: Any, out: set[str]) -> dict:
    return grid.tile(gallery, row.id, row.path, f"{row.score:.3f}", row.path.rpartition("/")[2], out=row.path in out)
