"""The form that starts a measurement: which encoders, which pictures ask, which are searched."""

from __future__ import annotations

import streamlit as st

from app.server import jobs, resources
from app.server.exposure import offered_encoders
from app.widgets.faults import attempt, problem
from pipeline import filters, plugins
from pipeline.gallery.gallery import Gallery

ALL = "each picture against all others"


def start_form(gallery: Gallery, *, open_now: bool) -> None:
    with st.expander("New measurement", expanded=open_now, icon=":material/straighten:"):
        entry = gallery.encoder()
        own = [one["spec"] for one in gallery.manifest()["encoders"].values()]
        others = [
            name for name in offered_encoders(plugins.available("encoders")) if name not in (*own, "pca", "checkpoint")
        ]
        left, right = st.columns(2)
        chosen = left.multiselect(
            "Encoders",
            [*dict.fromkeys([*own, *others])],
            default=[entry["spec"]],
            accept_new_options=True,
            help="The gallery's own is ready. Another one encodes every picture first; the gallery keeps its own for searching.",
            placeholder="Choose, or write one such as torchvision:arch=resnet50",
        )
        ways = _ways(gallery)
        way = right.selectbox("Queries", list(ways))
        st.button(
            "Measure",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not chosen,
            on_click=attempt,
            args=(_start, gallery, chosen, ways.get(way, ())),
        )
        problem()


def _ways(gallery: Gallery) -> dict[str, tuple[str, ...]]:
    """What people read, and the options it stands for."""
    ways: dict[str, tuple[str, ...]] = {ALL: ()}
    splits = resources.values(gallery, "split")
    for asking in ("test", "validation", "val", "dev"):
        if asking in splits and "train" in splits:
            ways[f"{asking} against train"] = ("--queries", f"split={asking}", "--against", "split=train")
    short = gallery.current
    for name in resources.gallery_names():
        other = resources.gallery(name)
        if name != gallery.name and short in other.manifest()["encoders"]:
            ways[f"gallery {name} against this one"] = ("--queries", f"gallery={filters.escape(name)}")
    return ways


def _start(gallery: Gallery, encoders: list[str], way: tuple[str, ...]) -> None:
    chosen = [part for spec in encoders for part in ("--encoder", spec)]
    jobs.start(
        ["pipeline", "evaluate", gallery.name, *chosen, *way],
        title=f"Measure {', '.join(encoders)}",
        gallery=gallery.name,
    )
