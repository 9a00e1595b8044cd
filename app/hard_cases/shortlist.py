"""The step Shortlist: for each needle the pictures near it, to keep or take off."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.hard_cases import grid
from app.hard_cases.needles import crop_ids, id_of, job_button, told
from app.hard_cases.stepper import onward
from app.server.routes import thumbnail_url
from pipeline.hard_cases import choices, shortlist
from pipeline.hard_cases.case import Round

NEEDLES, FIRST = 6, 24  # groups on a page; pictures shown when all are in one grid


def shortlist_step(turn: Round) -> None:
    done = turn.result("shortlist")
    with st.expander("Search again" if done else "How near", expanded=done is None, icon=":material/tune:"):
        left, middle, right = st.columns(3, vertical_alignment="bottom")
        k = left.number_input("Pictures a needle (k)", 1, 1000, shortlist.K)
        automatic = middle.toggle(
            "Least score by the gallery", value=True, help="Closer than 99 in 100 random pairs of it"
        )
        least = middle.number_input("Least score", -1.0, 1.0, 0.8, 0.01, disabled=automatic)
        most = right.number_input("At most, pictures", 0, 1_000_000, 0, help="The nearest ones; 0 = all")
        command = ["shortlist", turn.case.name, "-k", str(k), "--min-score", "auto" if automatic else f"{least:g}"]
        command += ["--most", str(most)]
        job_button(turn, "Search", command, title=f"Shortlist of {turn.case.about['title']}", primary=done is None)
    if done is None:
        return
    onward(turn, "shortlist")
    listed(turn)


@st.fragment
def listed(turn: Round) -> None:
    rows, encoded = turn.table("shortlist"), turn.needed("encode")
    rows = rows[(rows["copy_of"] == "") & ~rows["needle"].isin(choices.left_out(turn, "needle"))]
    out = choices.left_out(turn, "picture")
    with st.container(horizontal=True, vertical_alignment="center"):
        now = int(rows.loc[~rows["path"].isin(out), "path"].nunique())
        st.markdown(f"**{now:,} pictures on the shortlist.** Click one, or press X, to take it off; K puts it back.")
        grid.undo_button(turn, "shortlist")
    if rows.empty:
        st.info("Every needle was left out; take one back in the step Needles.")
        return
    way = st.segmented_control(
        "Order", ["By needle", "Nearest first"], default="By needle", required=True, key="hard-order",
        label_visibility="collapsed",
    )  # fmt: skip
    tiles = (
        _by_needle(turn, rows, encoded["gallery"], out)
        if way == "By needle"
        else _nearest(rows, encoded["gallery"], out)
    )
    grid.picking_grid(turn, tiles, what="picture", key="hard-shortlist")


def _by_needle(turn: Round, rows: pd.DataFrame, gallery: str, out: set[str]) -> list[dict]:
    needles = turn.table("needles").set_index("needle", drop=False)
    order = list(dict.fromkeys(rows["needle"]))
    pages = -(-len(order) // NEEDLES)
    page = st.pagination(pages, key=f"hard-groups-{pages}") if pages > 1 else 1
    ids = crop_ids(turn)
    tiles = []
    for name in order[(page - 1) * NEEDLES : page * NEEDLES]:
        asked, group = needles.loc[name], rows[rows["needle"] == name]
        picture = id_of(ids, asked.source, asked.number, asked.path)
        first, second = told(asked)
        src = thumbnail_url(gallery, picture) if picture else ""
        tiles.append(grid.heading(first, f"{second} · {len(group):,} near", src=src))
        tiles += [_tile(gallery, row, out) for row in group.itertuples()]
    return tiles


def _nearest(rows: pd.DataFrame, gallery: str, out: set[str]) -> list[dict]:
    best = rows.sort_values("score", ascending=False, kind="stable").drop_duplicates("path")
    pages = -(-len(best) // FIRST)
    page = st.pagination(pages, key=f"hard-nearest-{pages}") if pages > 1 else 1
    return [_tile(gallery, row, out) for row in best.iloc[(page - 1) * FIRST : page * FIRST].itertuples()]


def _tile(gallery: str, row: object, out: set[str]) -> dict:
    name = row.path.rpartition("/")[2]  # type: ignore[attr-defined]
    return grid.tile(gallery, row.id, row.path, f"{row.score:.3f}", name, out=row.path in out)  # type: ignore[attr-defined]
