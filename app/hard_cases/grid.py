"""Pictures to keep or leave out by click or key, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.server.routes import thumbnail_url
from app.widgets import component, states
from pipeline.errors import SemblanceError
from pipeline.hard_cases import review
from pipeline.hard_cases.case import Round

ACTIONS = {"needle": ("drop", "keep"), "picture": ("remove", "restore")}  # to leave one out, to take it back


def tile(gallery: str, picture: str, key: str, first: str, second: str, *, out: bool = False) -> dict[str, Any]:
    """picture: its id in the gallery, '' where it was not encoded."""
    src = thumbnail_url(gallery, picture) if picture else ""
    tick = {"of": gallery, "picture": picture} if picture else {}
    return {"id": key, "src": src, "first": first, "second": second, "alt": f"{first}, {second}", "out": out} | tick


def heading(text: str, note: str = "", *, src: str = "") -> dict[str, Any]:
    return {"heading": text, "note": note, "src": src}


def picking_grid(round: Round, tiles: Sequence[dict[str, Any]], *, what: str, key: str, side: int = 0) -> None:
    """what: needle or picture; a click leaves one out or takes it back, and the round remembers."""
    shown = {tile["id"] for tile in tiles if "id" in tile}

    def picked() -> None:
        wanted = set(states.texts(states.part(states.sent(key, "picked"), "out"))) & shown
        now = review.left_out(round, what) & shown
        leave, take = ACTIONS[what]
        try:
            for action, ids in ((leave, wanted - now), (take, now - wanted)):
                if ids:
                    review.record(round, action, sorted(ids))
        except SemblanceError as error:
            st.session_state["hard-problem"] = str(error)

    data = {"tiles": list(tiles), "called": f"{what}s to keep or leave out", "side": side}
    component("hard_grid", ("selection.js", "hard_grid.js"))(data=data, key=key, on_picked_change=picked)


def undo_button(round: Round, key: str) -> None:
    recorded = review.actions(round)
    st.button(
        "Undo",
        icon=":material/undo:",
        disabled=not recorded,
        on_click=lambda: review.undo(round),
        key=f"undo-{key}",
        help=f"Take back: {recorded[-1]['word']} {len(recorded[-1]['ids']):,}" if recorded else "Nothing to take back",
    )
