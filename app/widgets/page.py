"""What every page begins with: its title, the gallery that it is about, the running jobs, and errors as sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.server import resources
from app.widgets import saved_views, selection, states
from app.widgets.job_list import filling, job_list
from app.widgets.literal import literal, told_apart
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery


def guarded(draw: Callable[[], None]) -> None:
    """Draw a page; what a user can cause is a sentence on it."""
    try:
        draw()
    except SemblanceError as error:
        st.error(literal(error))


def gallery_page(title: str, draw: Callable[[Gallery], None], *, views_of: str = "") -> None:
    """A page about the gallery of the address, else the one looked at last; without one, the ways to make the first.

    views_of: the page's name among saved_views.PAGES, where what it shows can be saved.
    """

    def page() -> None:
        if views_of:
            saved_views.follow_link(views_of)
        selection.follow_link()
        wanted = followed()
        if (name := titled_choice(title, wanted, views_of=views_of)) is None:
            return
        if name != wanted:
            st.query_params.clear()
        follow(name)
        st.query_params["gallery"] = name
        job_list()
        draw(resources.gallery(name))

    guarded(page)


def followed(otherwise: str = "") -> str:
    """The gallery of the address, else the one that was looked at last, on whichever page."""
    return st.query_params.get("gallery", st.session_state.get("gallery_seen", otherwise))


def follow(name: str) -> None:
    """The gallery goes along to every page from here."""
    st.session_state["gallery_seen"] = name


def title_row(title: str) -> DeltaGenerator:
    """The page's title; what stands beside it, on a phone too, is drawn in what this gives."""
    row = st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="page-title"
    )
    row.title(title, anchor=False, width="content")
    return row


def titled_choice(title: str, wanted: str, *, views_of: str = "") -> str | None:
    """The page's title beside the choice of a gallery; None, and the first steps, when there is none yet.

    views_of: as `gallery_page` has it.
    """
    titles = told_apart(resources.gallery_titles())
    names, row = list(titles), title_row(title)
    if not names:
        _first_steps()
        return None
    beside = row.container(
        horizontal=True, vertical_alignment="center", gap="small", width="content", key="page-gallery"
    )
    chosen: str = beside.selectbox(
        "Gallery",
        names,
        index=names.index(wanted) if wanted in names else 0,
        format_func=titles.__getitem__,
        label_visibility="collapsed",
        width=260,
    )
    if views_of:
        with beside:
            saved_views.button(resources.gallery(chosen), views_of)
    return chosen


def section(titles: Mapping[str, str]) -> str:
    """Which of a page's sections is shown: that of the address, else the first."""
    names = list(titles)
    wanted = st.query_params.get("section", "")
    chosen: str = states.required(
        st.segmented_control,
        "Section",
        names,
        default=wanted if wanted in names else names[0],
        format_func=titles.__getitem__,
        label_visibility="collapsed",
        required=True,
    )
    st.query_params["section"] = chosen
    return chosen


def _first_steps() -> None:
    if filling():
        st.markdown("**The first gallery is being made.** It opens here with its first pictures.")
        job_list()
        st.fragment(_open_when_there, run_every=1.0)()
        return
    st.markdown("There is no gallery yet. Three ways to make the first one:")
    demo, folder, upload = st.columns(3)
    rendered = "2,000 rendered pictures, made on this machine in a minute or two. No download."
    _way_in(demo, "demo", "The demo", rendered, "Make the demo gallery", "play_arrow", primary=True)
    stay = "Pictures stay where they are; sub-folders become labels."
    _way_in(folder, "folder", "Your folder", stay, "Choose a folder", "folder_open")
    sent = "Several pictures or a zip, straight from this browser."
    _way_in(upload, "upload", "An upload", sent, "Upload pictures", "upload")


def _open_when_there() -> None:
    if resources.gallery_names():
        st.rerun(scope="app")


def _way_in(
    place: DeltaGenerator, way: str, title: str, said: str, button: str, icon: str, *, primary: bool = False
) -> None:
    with place, st.container(border=True):
        st.subheader(title)
        st.markdown(said)
        if st.button(button, type="primary" if primary else "secondary", icon=f":material/{icon}:"):
            st.session_state["wanted"] = way
            st.switch_page("views/galleries.py")
