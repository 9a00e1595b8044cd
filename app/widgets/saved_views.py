"""Views that have a name: a dialog to save what a page shows, open, rename, export and remove; and the link of each."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import streamlit as st

from app import VIEWS
from app.server import answers, kept_uploads, looks, pictures, quotas
from app.server.pictures import Upload
from app.widgets import downloads, states
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from pipeline.analysis import view_page as explored
from pipeline.errors import GalleryError, SemblanceError
from pipeline.evaluation import report_page
from pipeline.files import html_page
from pipeline.gallery import opening, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import SavedView
from pipeline.search import view_page
from pipeline.search.ask import UPLOAD, Ask, upload_named
from pipeline.search.query import Query, QueryPicture
from pipeline.search.search import SearchResult
from pipeline.settings import current

ADDRESS = "view"
_SAVED = "views-saved"  # in the session: what was done last, and how it is taken back


def follow_link(page: str) -> None:
    """Of an address that names a view, the page and address that it was saved of. Before anything else of a page is drawn."""
    if not (named := st.query_params.get(ADDRESS)):
        return
    del st.query_params[ADDRESS]
    try:
        gallery = opening.open_gallery(st.query_params.get("gallery", ""), current())
        view = saved_views.find(gallery, named)
        for picture, name in view.pictures.items():
            kept_uploads.keep(Upload(saved_views.picture(gallery, view, picture), name=name))
    except SemblanceError as error:
        st.error(literal(error))
        return
    params = {name: list(values) for name, values in view.params.items()} | {"gallery": [gallery.name]}
    if view.page != page:
        st.switch_page(VIEWS / f"{view.page}.py", query_params=params)
    st.query_params.from_dict(params)


def button(gallery: Gallery, page: str) -> None:
    if st.button("Views", icon=":material/bookmarks:", key="views"):
        st.session_state.pop(_SAVED, None)
        _dialog(gallery, page)


@st.dialog("Saved views", width="medium")
def _dialog(gallery: Gallery, page: str) -> None:
    save_field(gallery, page)
    known = saved_views.views(gallery)
    if not known:
        st.caption(
            "A view is this page as it is now: gallery, query, filters, order and page. Whoever opens it sees what it finds then."
        )
    for view in known:
        with st.container(horizontal=True, vertical_alignment="center", key=f"view-{view.id}"):
            of = {"gallery": gallery.name, ADDRESS: view.id}
            with st.container(gap=None):
                st.page_link(VIEWS / f"{view.page}.py", label=literal(view.name), query_params=of)
                st.caption(literal(said(view)))
            with st.popover(
                "", icon=":material/more_horiz:", help=f"Rename, share, export or remove {literal(view.name)}"
            ):
                _more(gallery, view, of)
    if wrong := saved_views.damaged(gallery):
        st.warning(literal("; ".join(wrong)))


def save_field(gallery: Gallery, page: str, *, ids: list[str] | None = None) -> None:
    """A name for what the page shows, of one without views for nothing but `ids`: what is selected becomes part of it."""
    key = f"view-name-{page}"
    with st.form(f"save-view-{page}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Save this view as", placeholder="Cheap shoes of May", key=key, max_chars=saved_views.MAX_NAME)
        st.form_submit_button("Save", type="primary", on_click=lambda: _attempt(lambda: _save(gallery, page, key, ids)))
    problem()
    done, undo = st.session_state.get(_SAVED, ("", None))
    if done:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(literal(done), width="content")
            if undo:
                st.button("Undo", icon=":material/undo:", on_click=_attempt, args=(undo,), key="view-undo")


def said(view: SavedView) -> str:
    """Its page and what it asks, in a line."""
    params = {name: list(values) for name, values in view.params.items()}
    parts = Ask.of(params).said(uploads=len(view.pictures)) if view.page == "search" else params.get("section", [])
    chosen = saved_views.selected(view)
    return " · ".join([view.page.capitalize(), *parts, *([f"{len(chosen):,} selected"] if chosen else [])])


def _more(gallery: Gallery, view: SavedView, of: dict[str, str]) -> None:
    key = f"rename-{view.id}"
    st.text_input(
        "Name", view.name, key=key, max_chars=saved_views.MAX_NAME,
        on_change=lambda: _attempt(lambda: _rename(gallery, view, states.text(st.session_state[key]))),
    )  # fmt: skip
    st.caption("The link, for whoever may open this gallery")
    st.code(f"{_home()}?{urlencode(of)}", language=None, wrap_lines=True)
    if _exportable(view):
        downloads.button(
            "One HTML page", f"{gallery.name}-view.html", lambda: export(gallery, view), key=f"export-{view.id}",
            help="Its pictures are in it, as thumbnails; it needs no app and no network",
        )  # fmt: skip
    st.button(
        "Remove",
        icon=":material/delete:",
        key=f"remove-{view.id}",
        on_click=_attempt,
        args=(lambda: _remove(gallery, view),),
    )


def export(gallery: Gallery, view: SavedView) -> str:
    """Of what cannot be asked any more, a page that says so: a download has no other place for it."""

    def answer(ask: Ask, query: Query) -> SearchResult:
        seen = looks.known(gallery) if ask.aspects and query.shows and not looks.missing(gallery) else None
        return answers.answered(gallery, query, **ask.options(gallery, query, seen))[0]

    def drawn(picture: QueryPicture) -> bytes:
        return pictures.in_turn(lambda: view_page.drawn(picture))

    try:
        if view.page == "explore":
            return explored.page(gallery, view)
        if view.page == "evaluate":
            return report_page.of_view(gallery, view)
        return view_page.page(gallery, view, answer, draw=drawn)
    except SemblanceError as error:
        return html_page.fault(view.name, str(error))


def _exportable(view: SavedView) -> bool:
    try:
        saved_views.exported_section(view)
    except SemblanceError:
        return False
    return True


def _save(gallery: Gallery, page: str, key: str, ids: list[str] | None) -> None:
    shown = st.query_params if page else {}
    params = {name: st.query_params.get_all(name) for name in shown if name not in ("gallery", ADDRESS)}
    if ids:
        params[saved_views.SELECTED] = [saved_views.packed(ids)]
    uploads = {}
    for text in params.get(UPLOAD, []):
        name = upload_named(text)[0]
        if (upload := kept_uploads.found(name)) is None:
            raise GalleryError("the picture asked with is no longer here; drop it again, then save the view")
        uploads[name] = upload
    view = SavedView(
        states.text(st.session_state[key]), page or "search", params, {name: one.name for name, one in uploads.items()}
    )
    quotas.check_disk(sum(len(one.data) for one in uploads.values()))
    made = saved_views.save(gallery, view, {name: one.data for name, one in uploads.items()})
    quotas.note(saved_views.folder(gallery, made))
    st.session_state[key] = ""
    st.session_state[_SAVED] = f"Saved as {made.name}.", None


def _rename(gallery: Gallery, view: SavedView, name: str) -> None:
    made = saved_views.rename(gallery, view, name)
    st.session_state[_SAVED] = f"{view.name} is {made.name} now.", lambda: _rename(gallery, made, view.name)


def _remove(gallery: Gallery, view: SavedView) -> None:
    kept = {name: saved_views.picture(gallery, view, name) for name in view.pictures}

    def put_back() -> None:
        saved_views.save(gallery, view, kept)
        st.session_state[_SAVED] = f"{view.name} is back.", None

    saved_views.remove(gallery, view)
    st.session_state[_SAVED] = f"{view.name} removed.", put_back


def _attempt(act: Callable[[], None]) -> None:
    st.session_state.pop(_SAVED, None)
    attempt(act)


def _home() -> str:
    """The app's address without a page: every link to a view finds its page itself."""
    base = st.get_option("server.baseUrlPath").strip("/")
    parts = (st.context.url or "").split("/")[:3]
    return "/".join([*parts, *([base] if base else []), ""])
