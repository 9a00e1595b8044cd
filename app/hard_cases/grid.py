"""Pictures to keep or leave out by click or key, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import COMPONENTS
from app.server.routes import thumbnail_url
from pipeline.errors import SemblanceError
from pipeline.hard_cases import choices
from pipeline.hard_cases.case import Round

WORDS = {"needle": ("drop", "keep"), "picture": ("remove", "restore")}


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "semblance_hard_grid",
        html='<div class="root"></div>',
        css=(COMPONENTS / "hard_grid.css").read_text(encoding="utf-8"),
        js=(COMPONENTS / "hard_grid.js").read_text(encoding="utf-8"),
    )


def tile(
    gallery: str, picture: str, key: str, first: str, second: str, *, out: bool = False, still: bool = False
) -> Any:
    """picture: its id in the gallery, '' where it was not encoded. still: to look at only."""
    src = thumbnail_url(gallery, picture) if picture else ""
    return {
        "id": key,
        "src": src,
        "first": first,
        "second": second,
        "alt": f"{first}, {second}",
        "out": out,
        "still": still,
    }


def heading(text: str, note: str = "", *, src: str = "") -> dict[str, Any]:
    return {"heading": text, "note": note, "src": src}


def picking_grid(turn: Round, tiles: Sequence[dict[str, Any]], *, what: str, key: str, side: int = 0) -> None:
    """what: needle or picture; a click leaves one out or takes it back, and the round remembers."""
    shown = {one["id"] for one in tiles if "id" in one}

    def picked() -> None:
        wanted = set(st.session_state[key]["picked"]["out"]) & shown
        now = choices.left_out(turn, what) & shown
        leave, take = WORDS[what]
        try:
            for word, ids in ((leave, wanted - now), (take, now - wanted)):
                if ids:
                    choices.say(turn, word, sorted(ids))
        except SemblanceError as error:
            st.session_state["hard-problem"] = str(error)

    data = {"tiles": list(tiles), "called": f"{what}s to keep or leave out", "side": side}
    _component()(data=data, key=key, on_picked_change=picked)


def looking_grid(tiles: Sequence[dict[str, Any]], *, called: str, key: str, side: int = 0) -> None:
    _component()(data={"tiles": list(tiles), "called": called, "side": side}, key=key, on_picked_change=lambda: None)


def undo_button(turn: Round, key: str) -> None:
    words = choices.said(turn)
    last = words[-1] if words else {"word": "", "ids": []}
    st.button(
        "Undo",
        icon=":material/undo:",
        disabled=not words,
        on_click=lambda: choices.undo(turn),
        key=f"undo-{key}",
        help=f"Take back: {last['word']} {len(last['ids']):,}" if words else "Nothing to take back",
    )
