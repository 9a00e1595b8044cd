"""Rows of odd pictures: the picture, its neighbours, what they say, and what can be done with it and taken back."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import streamlit as st

from app.server import resources, store
from app.widgets import picture_row, selection
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from app.widgets.picture_row import Tile
from pipeline.analysis import label_errors
from pipeline.errors import display_name
from pipeline.gallery import judgments
from pipeline.gallery.gallery import Gallery

AT_ONCE = 10
EVERYWHERE = "The new label holds in search, figures, exports and fine-tuning, and can be taken back"


@st.fragment
def rows_list(gallery: Gallery, kind: str, table: pd.DataFrame) -> None:
    """kind: label-errors or outliers, whose rows `table` has."""
    picture_row.styles()
    problem()
    pages = -(-len(table) // AT_ONCE)
    key = f"oddities-page-{gallery.name}-{kind}-{len(table)}"
    page = min(st.session_state.get(key, 1), pages)
    there, gone, right = set(resources.paths(gallery)), gallery.removed(), label_errors.judged_right(gallery)
    given = judgments.labels(gallery.judgments_file)
    for row in table.iloc[(page - 1) * AT_ONCE : page * AT_ONCE].to_dict("records"):
        with st.container(border=True, gap="small", key=f"odd-{gallery.name}-{kind}-{row['rank']}"):
            out = row["id"] in gone
            picture_row.draw(gallery.name, _tiles(row, kind, out, there | gone), said=_said(row, kind))
            with st.container(horizontal=True, vertical_alignment="center"):
                _actions(gallery, row, kind, out, there, right, given)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        page_of = table["id"].iloc[(page - 1) * AT_ONCE : page * AT_ONCE]
        selection.button(
            gallery.name,
            f"Select these {len(page_of)}",
            lambda: [picture for picture in page_of if picture in there],
            key=f"odd-select-{gallery.name}-{kind}-{page}",
        )
        if pages > 1:
            st.pagination(pages, key=key)


def _tiles(row: dict[str, Any], kind: str, out: bool, known: set[str]) -> list[Tile]:
    """The picture first. Of label errors a neighbour with another label is dashed, one with the same is solid."""
    name = display_name(row["path"])
    first = row["label"] or name.rsplit("/", 1)[-1]
    tiles = [Tile(row["id"], first, f"#{row['rank']:,}", f"{first}, {name}{', removed' if out else ''}", "query")]
    if out:
        tiles[0] = Tile(tiles[0].id, first, "removed", tiles[0].alt, "out")
    for hit, label, score in zip(row["hits"], row["hit_labels"], row["hit_scores"], strict=True):
        if hit not in known:
            continue  # compacted away since
        if kind == label_errors.KIND:
            agrees = label == row["label"]
            said, mark = ("same label", "right") if agrees else ("another label", "wrong")
            tiles.append(Tile(hit, f"{'✓' if agrees else '✗'} {score:.2f}", label, f"{said}, {label}", mark))
        else:
            tiles.append(Tile(hit, f"{score:.2f}", label, f"neighbour {label}, score {score:.2f}"))
    return tiles


def _said(row: dict[str, Any], kind: str) -> str:
    file = html.escape(display_name(row["path"]))
    if kind == label_errors.KIND:
        own, other = html.escape(row["label"]), html.escape(row["proposed"])
        surely = "likely an error" if row["likely"] else "in doubt"
        return (
            f"Labelled <strong>{own}</strong>; {100 * row['proposed_score']:.0f} % of similar pictures are labelled "
            f"<strong>{other}</strong> <small>{surely} · {file}</small>"
        )
    unusual = " · unusual" if row["unusual"] else ""
    than = "all others" if row["percentile"] == 100 else f"{int(10 * row['percentile']) / 10} % of the others"
    return f"Farther than <strong>{than}</strong> <small>mean score {row['score']:.3f}{unusual} · {file}</small>"


def _actions(
    gallery: Gallery,
    row: dict[str, Any],
    kind: str,
    out: bool,
    there: set[str],
    right: dict[str, str],
    given: dict[str, str],
) -> None:
    picture, key = row["id"], f"{gallery.name}-{kind}-{row['rank']}"
    if out:
        st.markdown("**Removed**; the file on disk is left alone.")
        _button("Undo", "undo", store.restore, (gallery, [picture]), f"undo-{key}")
        return
    if picture not in there:
        st.markdown("No longer in the gallery; find label errors and outliers again.")
        return
    if (label := given.get(picture, row["label"])) != row["label"]:
        st.markdown(f"Labelled **{literal(label) or 'nothing'}** now; the file on disk is left alone.")
        _button("Undo", "undo", _label_before, (gallery, picture, row["label"]), f"undo-{key}")
        return
    if kind == label_errors.KIND and right.get(picture) == row["label"]:
        st.markdown("**The label is right.** It is not listed again.")
        _button("Undo", "undo", _judge, (gallery, picture, False), f"undo-{key}")
        return
    if kind == label_errors.KIND:
        new = row["proposed"]
        _button(f"Relabel as {literal(new)}", "label", _relabel, (gallery, picture, new), f"relabel-{key}", EVERYWHERE)
        remembered = "Remembered: it is not listed again"
        _button("Label is right", "check", _judge, (gallery, picture, row["label"]), f"right-{key}", remembered)
    whole = "From the gallery only, and it can be undone"
    _button("Remove", "delete", store.remove, (gallery, [picture]), f"remove-{key}", whole)


def _button(label: str, icon: str, act: Any, args: tuple[Any, ...], key: str, meaning: str = "") -> None:
    st.button(
        label, icon=f":material/{icon}:", on_click=attempt, args=(act, *args), key=f"odd-{key}", help=meaning or None
    )


def _relabel(gallery: Gallery, picture: str, label: str) -> None:
    st.session_state[f"label-before-{gallery.name}-{picture}"] = store.relabel(gallery, {picture: label})


def _label_before(gallery: Gallery, picture: str, listed: str) -> None:
    """listed: its label when the list was made, for a visitor who has not relabelled it in this visit."""
    store.relabel(gallery, st.session_state.pop(f"label-before-{gallery.name}-{picture}", {picture: listed}))


def _judge(gallery: Gallery, picture: str, label: str | bool) -> None:
    gallery.judge(label_errors.RIGHT, [picture], label)
