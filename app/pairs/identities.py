"""A picture against the gallery's identities, and new identities from a single picture."""

from __future__ import annotations

import html

import streamlit as st

from app.pairs import pair_query
from app.pairs.verdict import against_threshold, card
from app.server import jobs, quotas, resources
from app.server.pictures import Upload, in_turn
from app.widgets import picture_row
from app.widgets.literal import literal
from app.widgets.picture_row import Tile
from pipeline.errors import SemblanceError, display_name
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import enrolment, identities, verification
from pipeline.recognition.identification import IDENTITY, LABEL, Match
from pipeline.recognition.verification import Curve

MAX_SHOWN = 12


def who_options(gallery: Gallery) -> list[str]:
    """ "" for all, then identities, then labels where they are few enough to choose from."""
    names = [f"{IDENTITY}:{name}" for name in identities.identities(gallery)]
    labels = [f"{LABEL}:{label}" for label in sorted(resources.values(gallery, "label")) if label]
    return ["", *names, *labels]


def who_title(who: str) -> str:
    kind, _, name = who.partition(":")
    if not who:
        return "everybody: identities and labels"
    return display_name(name) + (" (label)" if kind == LABEL else "")


def title_of(match: Match) -> str:
    return who_title(f"{match.kind}:{match.name}")


def ranking(gallery: Gallery, curve: Curve | None, matches: list[Match], *, rate: float) -> None:
    """The best of each name, the highest score first, and whether any reaches the threshold."""
    decisions = [verification.decide(curve, match.score, rate=rate) if curve else None for match in matches[:MAX_SHOWN]]
    if not matches:
        st.html(card("Nobody known", "this gallery has no identity and no label yet; name this picture below", "open"))
    elif (best := decisions[0]) is None:
        st.html(card("No verdict", "nothing says which score is enough here; the order is what counts", "open"))
    else:
        who = html.escape(title_of(matches[0])) if best.same else "Nobody known"
        more_names = sum(decision is not None and decision.same for decision in decisions) - 1
        also = f"; {more_names} more reach it" if more_names > 0 else ""
        st.html(card(who, against_threshold(best) + also, "yes" if best.same else "no"))
    tiles = []
    for match, decision in zip(matches, decisions, strict=False):
        verdict = "" if decision is None else " same" if decision.same else " different"
        kind = "right" if decision and decision.same else ""
        tiles.append(Tile(match.id, title_of(match), f"{match.score:.3f}{verdict}", kind=kind))
    picture_row.draw(gallery.name, tiles)
    st.caption(
        "Each name with its nearest picture, whose score counts. The rate is of one pair: the more pictures and names there are, the "
        "likelier one is taken for the same by mistake."
    )


def naming(gallery: Gallery, picture: str | Upload) -> None:
    """A name for the picture makes an identity of it; below, those there are. picture: "" = none is chosen yet."""
    _last_change(gallery)
    by_name = identities.identities(gallery)
    picture_id = picture if isinstance(picture, str) else picture.id
    owner = next((name for name, ids in by_name.items() if picture_id in ids), "")
    if owner:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"This picture belongs to {display_name(owner)!r}.")
            st.button("Take it out", icon=":material/undo:", on_click=_take_out, args=(gallery, owner, picture_id))
    elif picture:
        _name_form(gallery, picture)
        offered = st.session_state.get("pair-offer", "")
        if offered in by_name:
            st.button(
                f"Add the picture to {literal(repr(offered))}", icon=":material/add:",
                on_click=_extend, args=(gallery, offered, picture),
            )  # fmt: skip
    if by_name:
        with st.expander(f"Identities ({len(by_name):,})", icon=":material/groups:"):
            for name, ids in by_name.items():
                _identity(gallery, name, ids, "" if owner else picture)


def _name_form(gallery: Gallery, picture: str | Upload) -> None:
    with st.form("pair-name", border=False, clear_on_submit=True):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        name = left.text_input("Name this picture", placeholder="A new identity, from this one picture")
        if right.form_submit_button("Add identity", icon=":material/person_add:", width="stretch"):
            _add(gallery, name, picture)


def _identity(gallery: Gallery, name: str, ids: list[str], picture: str | Upload) -> None:
    with st.container(border=True):
        st.text(f"{display_name(name)}: {identities.picture_count(len(ids))}")
        tiles = [
            Tile(picture_id, "", alt=f"{name}, picture {number}")
            for number, picture_id in enumerate(ids[:MAX_SHOWN], 1)
        ]
        picture_row.draw(gallery.name, tiles)
        with st.container(horizontal=True):
            if picture:
                st.button(
                    "Add this picture", icon=":material/add:", key=f"pair-extend-{name}",
                    on_click=_extend, args=(gallery, name, picture),
                )  # fmt: skip
            st.button(
                "Forget", icon=":material/delete:", key=f"pair-forget-{name}", on_click=_take_out, args=(gallery, name),
                help="The pictures stay in the gallery",
            )  # fmt: skip


def _add(gallery: Gallery, name: str, picture: str | Upload) -> None:
    st.session_state.pop("pair-offer", None)
    try:
        name = identities.check_new(gallery, name)
        if picture_id := _id_in_gallery(gallery, picture):
            identities.add(gallery, name, [picture_id])
            _note_change(gallery, f"{name!r} is known now", name, [picture_id], undo="remove")
        else:
            _enrol("add", gallery, name, picture)
        st.rerun()
    except SemblanceError as error:
        st.session_state["pair-offer"] = " ".join(name.split())  # drawn where it is the name of one that exists
        st.error(literal(error))


def _extend(gallery: Gallery, name: str, picture: str | Upload) -> None:
    st.session_state.pop("pair-offer", None)
    try:
        if picture_id := _id_in_gallery(gallery, picture):
            identities.extend(gallery, name, [picture_id])
            _note_change(gallery, f"The picture is one of {name!r} now", name, [picture_id], undo="remove")
        else:
            _enrol("extend", gallery, name, picture)
    except SemblanceError as error:
        st.session_state["pair-problem"] = str(error)


def _take_out(gallery: Gallery, name: str, picture: str = "") -> None:
    """Forget the identity, or take one picture from it."""
    try:
        taken_out = identities.remove(gallery, name, [picture] if picture else [])
        remaining = identities.identities(gallery).get(name)
        text = f"The picture is none of {name!r} any more" if remaining else f"{name!r} is forgotten"
        _note_change(gallery, text, name, taken_out, undo="extend" if remaining else "add")
        if not remaining and pair_query.current().who == f"{IDENTITY}:{name}":
            pair_query.change(who="")
    except SemblanceError as error:
        st.session_state["pair-problem"] = str(error)


def _id_in_gallery(gallery: Gallery, picture: str | Upload) -> str:
    """The picture's id when the gallery has it; "" for an upload that it lacks."""
    picture_id = picture if isinstance(picture, str) else picture.id
    return picture_id if isinstance(picture, str) or picture_id in gallery.ids() else ""


def _enrol(verb: str, gallery: Gallery, name: str, picture: str | Upload) -> None:
    """A child process encodes the upload and keeps it in the gallery, then names it."""
    assert isinstance(picture, Upload)
    quotas.check_disk(len(picture.data))
    file = in_turn(lambda: enrolment.save_original(gallery, picture.name, picture.data))
    quotas.note(file)
    command = ["pipeline", "identity", verb, gallery.name, name, "--picture", str(file)]
    jobs.start(command, title=f"Take in {display_name(name)}", gallery=gallery.name)
    st.session_state["pair-job"] = True  # the list of jobs lies outside the fragment


def _note_change(gallery: Gallery, text: str, name: str, ids: list[str], *, undo: str) -> None:
    st.session_state["pair-done"] = (gallery.name, text, name, ids, undo)


def _last_change(gallery: Gallery) -> None:
    if problem := st.session_state.pop("pair-problem", ""):
        st.error(literal(problem))
    of_gallery, text, name, ids, undo = st.session_state.get("pair-done", ("", "", "", [], ""))
    if of_gallery == gallery.name:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"{text}.")
            st.button("Undo", icon=":material/undo:", on_click=_undo, args=(gallery, name, ids, undo), key="pair-undo")


def _undo(gallery: Gallery, name: str, ids: list[str], undo: str) -> None:
    try:
        {"add": identities.add, "extend": identities.extend, "remove": identities.remove}[undo](gallery, name, ids)
    except SemblanceError as error:
        st.session_state["pair-problem"] = str(error)
    st.session_state.pop("pair-done", None)
