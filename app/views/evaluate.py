"""Evaluate: how good is the search, where does it fail, which encoder should we take."""

from __future__ import annotations

import streamlit as st

from app.evaluate import reports as evaluations
from app.evaluate.encoders import encoders_section
from app.evaluate.length import length_section
from app.evaluate.quality import quality
from app.evaluate.reports import Evaluation
from app.evaluate.start import start_form
from app.search.tray import tray
from app.server import resources
from app.widgets.literal import literal, told_apart
from app.widgets.page import gallery_page, section
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery

SECTIONS = {"quality": "Quality", "encoders": "Encoders", "length": "Embedding size"}
MAX_SHOWN = 4  # evaluations side by side


def page(gallery: Gallery) -> None:
    {"quality": measured, "encoders": encoders_section, "length": length_section}[section(SECTIONS)](gallery)
    tray(gallery, "evaluate")


def measured(gallery: Gallery) -> None:
    """The chosen evaluations: the first in full, the others against it."""
    names = evaluations.names(gallery)
    if resources.label_count(gallery) < 2:
        st.info(
            "The pictures of this gallery have no labels, or all the same one, so nothing says which hits are right. "
            "Ingest a folder with a subfolder for each label, or a table with a label column."
        )
        return
    start_form(gallery, open_now=not names)
    if not names:
        st.query_params.pop("reports", None)  # of the last one, when that was deleted
        st.caption("A measurement asks with every picture and counts which hits have its label. Nothing is changed.")
        return
    readable = {name: one for name in names if (one := _readable(gallery, name))}
    chosen = [name for name in choose(readable) if _has_table(readable[name])]
    if not chosen:
        st.info("Choose a measurement above to see it.")
        return
    shown = short_names([readable[name] for name in chosen])
    quality(gallery, shown)


def choose(readable: dict[str, Evaluation]) -> list[str]:
    """Those of the address, `?reports=a,b`, else the newest."""
    given = [name for name in st.query_params.get("reports", "").split(",") if name in readable]
    titles = told_apart({name: one.title for name, one in readable.items()})
    chosen = st.multiselect(
        "Measurements",
        list(readable),
        default=given or list(readable)[:1],
        format_func=titles.__getitem__,
        max_selections=MAX_SHOWN,
        placeholder="Choose measurements; the first is shown in full, the others are compared with it",
    )
    st.query_params["reports"] = ",".join(chosen)
    return chosen


def short_names(shown: list[Evaluation]) -> dict[str, Evaluation]:
    """By encoder; an encoder that comes twice is numbered."""
    specs = [one.encoder for one in shown]
    return {
        spec if specs.count(spec) == 1 else f"{spec} ({specs[: i + 1].count(spec)})": one
        for i, (spec, one) in enumerate(zip(specs, shown, strict=True))
    }


def _readable(gallery: Gallery, name: str) -> Evaluation | None:
    try:
        return evaluations.read(gallery, name)
    except SemblanceError as error:
        st.warning(literal(error))
        return None


def _has_table(one: Evaluation) -> bool:
    try:
        return one.table is not None
    except SemblanceError as error:
        st.warning(literal(error))
        return False


gallery_page("Evaluate", page, views_of="evaluate")
