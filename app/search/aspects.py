"""Search by aspect: how much colour, texture and meaning count, and the look at the pictures that it needs once."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.search.query_state import SearchState
from app.server import jobs, looks
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from pipeline.gallery.appearances import Appearances
from pipeline.gallery.gallery import Gallery
from pipeline.search import by_aspect

WHOLE = {by_aspect.MEANING: 1.0}
HELP = {
    "colour": "Of the whole picture, what stands around included.",
    "texture": "Edges and patterns, and where in the picture they lie.",
    "meaning": "What the encoder sees: its score. Below 0, with colour above 0: the same colour on another thing.",
}
_VERB = ("pipeline", "aspects")


def values(state: SearchState) -> dict[str, float]:
    """Of the sliders, by the name of the option."""
    weights = by_aspect.parse(state.aspects) or WHOLE
    return {f"aspect-{name}": weights.get(name, 0.0) for name in by_aspect.ASPECTS}


def sliders(state: SearchState, on_change: Callable[[], None]) -> None:
    """Set from the ask as the other options are."""
    weights = values(state)
    st.markdown(
        "Alike in", help="How much each counts; below 0 hits are unlike in it. Meaning alone is the usual search."
    )
    with st.container(horizontal=True, key="aspects"):
        for name in by_aspect.ASPECTS:
            st.slider(
                name.capitalize(), -1.0, 1.0, weights[f"aspect-{name}"], step=0.25, key=f"option-aspect-{name}",
                help=HELP[name], on_change=on_change,
            )  # fmt: skip


def chosen(now: SearchState) -> str:
    """What the sliders say; '' for meaning alone, and where no weight is above 0, which asks for nothing."""
    before = values(now)
    weights = {
        name: float(st.session_state.get(f"option-aspect-{name}", before[f"aspect-{name}"]))
        for name in by_aspect.ASPECTS
    }
    alone = not by_aspect.looks_wanted({name: 1 for name, weight in weights.items() if weight})
    return "" if alone or max(weights.values()) <= 0 else by_aspect.written(weights)


def known(gallery: Gallery, state: SearchState) -> Appearances | None:
    """What the aspects of the ask need; None where they need nothing, or the page has said what is missing."""
    if not state.aspects or not state.shows:
        return None
    if left := looks.missing(gallery):
        _offer(gallery, left)
        return None
    return looks.known(gallery)


def _offer(gallery: Gallery, left: int) -> None:
    busy = jobs.running(*_VERB, gallery=gallery.name)
    st.fragment(_waiting, run_every=1.0 if busy else None)(gallery, left)


def _waiting(gallery: Gallery, left: int) -> None:
    """Drawn each second while the pictures are looked at; then the page again."""
    job = next((job for job in jobs.recent() if job.command[:2] == _VERB and job.gallery == gallery.name), None)
    state = jobs.state(job) if job else None
    if state and state.running:
        st.session_state["looking"] = gallery.name
        done, total = state.progress.get("done", 0), state.progress.get("total", 0)
        said = f"{done:,} of {total:,}" if total else "soon"
        st.progress(min(done / total, 1.0) if total else 0.0, f"Looking at colour and texture: {said}")
        return
    if st.session_state.pop("looking", "") == gallery.name:
        st.rerun(scope="app")
    failed = (
        f" It did not finish: {state.errors.splitlines()[-1]}" if state and state.exit_code and state.errors else ""
    )
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(
            f"**Hits stand in the order of meaning alone.** Colour and texture of {left:,} pictures are not known yet; it takes "
            f"about {max(1, round(left / 400)):,} s, once.{literal(failed)}",
            width="stretch",
        )
        if st.button("Look at them", icon=":material/palette:", key=f"look-{gallery.name}"):
            attempt(_start, gallery)
            st.rerun(scope="app")  # which draws this each second
    problem()


def _start(gallery: Gallery) -> None:
    title = f"Look at {gallery.manifest()['title']}"
    jobs.start([*_VERB, gallery.name], title=title, gallery=gallery.name)
