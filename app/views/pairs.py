"""Same or different? Two pictures, or one against the gallery's identities, at a false accept rate that is stated."""

from __future__ import annotations

import streamlit as st

from app.pairs import answers, pair_query
from app.pairs.charts import pairs_section
from app.pairs.curve import explain_no_groupings, groupings, measured_curve
from app.pairs.examples import example_pairs
from app.pairs.identities import naming, ranking, who_options, who_title
from app.pairs.own_pairs import own_pairs
from app.pairs.pair_query import NAMED, SLOTS, TWO
from app.pairs.slot import CSS, examples, figure, shown, slot
from app.pairs.verdict import percent, verdict
from app.search.tray import tray
from app.widgets import picture_row, states
from app.widgets.literal import literal, told_apart
from app.widgets.page import gallery_page
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery
from pipeline.recognition.verification import LIST, RATES, Curve, is_list

MODES = {TWO: "Two pictures", NAMED: "Picture against identity"}


def page(gallery: Gallery) -> None:
    pair_query.belongs_to(gallery.name)
    st.html(CSS)
    picture_row.styles()
    area(gallery)
    tray(gallery)


@st.fragment
def area(gallery: Gallery) -> None:
    if st.session_state.pop("pair-job", False):
        st.rerun()
    fields = groupings(gallery)
    options(gallery, fields)
    query = pair_query.current()
    curve, score = None, None
    if fields:
        try:
            curve = measured_curve(gallery, query.by)
        except SemblanceError as error:
            st.info(literal(error))
    else:
        explain_no_groupings()
    if query.lost_upload:
        st.info(
            "This link was made for an uploaded picture. It stays with the browser that brought it, for half an hour. Drop it "
            "here to compare again."
        )
    try:
        score = two_pictures(gallery, curve) if query.mode == TWO else one_picture(gallery, curve)
    except SemblanceError as error:
        st.error(literal(error))
    if curve:
        pairs_section(curve, rate=query.rate, score=score)
    own_pairs(gallery, curve)
    pair_query.write_address()


def options(gallery: Gallery, fields: list[str]) -> None:
    """The ask is what counts: widgets are set from it and change it in a callback."""
    query = pair_query.current()
    if fields and query.by not in fields:
        query = pair_query.change(by=fields[0])
    for name in ("mode", "rate", "by"):
        if st.session_state.get(f"pair-{name}") != getattr(query, name):
            st.session_state[f"pair-{name}"] = getattr(query, name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Compare", list(MODES), key="pair-mode", required=True, format_func=MODES.__getitem__, on_change=_choose
        )
        st.selectbox(
            "False accepts",
            RATES,
            key="pair-rate",
            format_func=lambda rate: f"at most {percent(rate)}",
            help="The share of different pairs that may be taken for the same. A lower one misses more same pairs.",
            width=170,
            on_change=_choose,
        )
        if len(fields) > 1:
            st.selectbox(
                "The same is",
                fields,
                key="pair-by",
                format_func=_said,
                width=190,
                on_change=_choose,
            )


def _said(by: str) -> str:
    return f"as {by.removeprefix(LIST)} says" if is_list(by) else f"the same {by}"


def _choose() -> None:
    names = [name for name in ("mode", "rate", "by") if f"pair-{name}" in st.session_state]
    chosen = {name: st.session_state[f"pair-{name}"] for name in names}
    for name, offered in (("mode", MODES), ("rate", RATES)):
        states.one_of(chosen[name], offered)
    pair_query.change(**chosen)


def two_pictures(gallery: Gallery, curve: Curve | None) -> float | None:
    """Both drop zones and the verdict; the score once there are two."""
    query = pair_query.current()
    pictures, right = st.columns([2, 1.4], gap="medium")
    with pictures, st.container(key="pair-slots"):
        for column, which in zip(st.columns(2, gap="medium"), SLOTS, strict=True):
            with column:
                slot(gallery, which, f"{which.capitalize()} picture")
    if not (query.first and query.second):
        with right:
            example_pairs(gallery, curve)
        return None
    score = answers.score(gallery, query.first, query.second)
    with right:
        labels = answers.labels(gallery, query.first, query.second) if query.by == "label" else ("", "")
        verdict(gallery, curve, score, rate=query.rate, labels=labels)
    return score


def one_picture(gallery: Gallery, curve: Curve | None) -> float | None:
    """One drop zone, whom to compare with, and how to name the picture; the highest score."""
    query = pair_query.current()
    left, right = st.columns([1, 2.4], gap="medium")
    with left:
        slot(gallery, "first", "Picture")
    with right:
        if not query.first:
            st.markdown("**Drop a picture, or begin with one of this gallery:**")
            examples(gallery, "first")
            naming(gallery, "")
            return None
        options = who_options(gallery)
        options += [query.who] if query.who not in options else []
        if st.session_state.get("pair-who") != query.who:
            st.session_state["pair-who"] = query.who
        called = told_apart({who: who_title(who) for who in options})
        st.selectbox(
            "Against", options, key="pair-who", format_func=called.__getitem__,
            on_change=lambda: pair_query.change(who=st.session_state["pair-who"]),
        )  # fmt: skip
        score = named(gallery, curve)
        naming(gallery, query.first)
    return score


def named(gallery: Gallery, curve: Curve | None) -> float | None:
    query = pair_query.current()
    if not query.who:
        matches = answers.matches(gallery, query.first)
        ranking(gallery, curve, matches, rate=query.rate)
        return matches[0].score if matches else None
    best = answers.against(gallery, query.first, query.who)
    picture, words = st.columns([1, 1.6], gap="medium")
    with picture:
        st.html(figure(*shown(gallery, best.id), f"Nearest of {best.name}"))
    with words:
        verdict(gallery, curve, best.score, rate=query.rate, of=best.name)
    return best.score


pair_query.follow_address()
gallery_page("Same or different?", page)
