"""Search: a picture in, the nearest pictures out."""

from __future__ import annotations

import random

import streamlit as st

from app import COMPONENTS
from app.search import aspects, query_state
from app.search.common_terms import annotation_line, common_terms
from app.search.improve import improve_button
from app.search.kept_judgments import offer_to_keep
from app.search.options import option_row, sort_name
from app.search.query_panel import act, query_of, query_panel
from app.search.query_state import SearchState
from app.search.side_by_side import side_by_side
from app.search.tray import tray
from app.search.why_similar import why_similar
from app.search.words_fields import words_kept
from app.server import answers, encoders, pictures, resources, store
from app.server.routes import publish, whole_url
from app.widgets import downloads, saved_views, selection, states
from app.widgets.job_list import filling, job_list
from app.widgets.literal import literal
from app.widgets.page import follow, followed, guarded, titled_choice
from app.widgets.results_grid import results_grid, tile, tiles_alone, tiles_of
from pipeline.errors import SemblanceError, display_name
from pipeline.gallery import asked
from pipeline.gallery.gallery import Gallery
from pipeline.kinds import words as kinds
from pipeline.records import SearchHit, hit_of
from pipeline.search import sorting, text
from pipeline.search.search import Query, QueryPicture, SearchResult

EXAMPLES = 18
CSS = COMPONENTS / "search_page.css"
SCORES_OF_WORDS = (
    "A text and a picture score far lower than two pictures do, also when they fit, so no hit is called weak here and only "
    "the order counts."
)
SCORES_OF_KINDS = (
    "In the order of how likely each picture shows it, as told from its embedding. Point at a hit to read how likely."
)
NONE_PASSES = "No picture of this gallery passes the filter. Take a filter away to see more."


def page() -> None:
    saved_views.follow_link("search")
    selection.follow_link()
    query_state.follow_address()
    before = query_state.current().gallery
    wanted = before if "gallery" in st.query_params else followed(before)  # the address is in the ask already
    if (name := titled_choice("Search by picture", wanted, views_of="search")) is None:
        return
    if name != before:
        query_state.change(
            remember=False, gallery=name, ids=(), region="", like=(), unlike=(), where=(), beside="", **words_kept(name)
        )
    follow(name)
    if query_state.current().empty and filling(name):
        job_list()
        st.fragment(_grow, run_every=8.0)(name, resources.gallery(name).count())
    search_area(resources.gallery(name))
    tray(resources.gallery(name), "search")


def _grow(name: str, drawn: int) -> None:
    """A gallery that is being filled shows its new pictures, until something is asked."""
    if query_state.current().empty and resources.gallery(name).count() != drawn:
        st.rerun(scope="app")


@st.fragment
def search_area(gallery: Gallery) -> None:
    st.html(CSS)
    theme = "dark" if st.context.theme.type == "dark" else "light"
    st.html(f"<style>.st-key-query-strip {{ background: {st.get_option(f'theme.{theme}.backgroundColor')} }}</style>")
    state = query_state.current()
    if state.empty:
        _welcome(gallery, state)
    query_panel(gallery)
    option_row(gallery, state)
    try:
        if not state.empty:
            show_results(gallery, state)
        elif state.browses:
            show_passing(gallery, state)
        else:
            show_start(gallery, state)
    except SemblanceError as error:
        st.error(literal(error))
    query_state.write_address(state)


def _welcome(gallery: Gallery, state: SearchState) -> None:
    """What this is, in a sentence; of a link made for an upload, what became of it."""
    if state.lost_upload:
        st.info(
            "This link was made for an uploaded picture. It stays with the browser that brought it, for half an hour. Drop it "
            "here to repeat the search."
        )
    count, ways = len(resources.paths(gallery)), "type words, " if text.understood(gallery) else ""
    st.markdown(
        f"**Show a picture, find the most similar of {count:,}.** Drop one below, paste it anywhere on this page, {ways}or begin "
        "with an example."
    )


def show_start(gallery: Gallery, state: SearchState) -> None:
    """Nothing is asked yet: pictures of the gallery to begin with."""
    seed = st.session_state.setdefault("examples", 0)
    known = list(resources.paths(gallery))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("Examples from this gallery", width="content")
        st.button("Show others", icon=":material/shuffle:", on_click=lambda: st.session_state.update(examples=seed + 1))
    chosen = random.Random(seed).sample(known, min(EXAMPLES, len(known)))
    hits = [SearchHit(id=picture, score=0, path=f"example {n}") for n, picture in enumerate(chosen, 1)]
    tiles = [tile(gallery.name, hit) | {"label": ""} for hit in hits]
    results_grid(tiles, key="examples-grid", actions=("search",), on_action=lambda: act("examples-grid"))


def show_passing(gallery: Gallery, state: SearchState) -> None:
    """Filtered, sorted or grouped, and like nothing in particular: the gallery's pictures, a page at a time."""
    offer_undo(state)
    table, by = resources.table(gallery), state.sort or state.group
    where = asked.settled(
        state.filter(), gallery, lambda: table
    )  # of tags, which change and leave the gallery's version
    rows = resources.kept(
        gallery, "passing", where, by,
        make=lambda: sorting.passing(table, where, by, keys=gallery.manifest()["metadata_keys"]),
    )  # fmt: skip
    if not rows:
        st.info(NONE_PASSES)
        return
    pages = -(-len(rows) // state.k)
    page = min(state.page, pages)
    order = f", in the order of {sort_name(by)}" if by else ""
    st.caption(f"{len(rows):,} of {len(table):,} pictures{order}")
    hits = [hit_of(row) for row in table.iloc[rows[(page - 1) * state.k : page * state.k]].itertuples()]
    results_grid(
        tiles_alone(gallery.name, hits, group=state.group),
        key="passing", actions=("search", "open", "choose", "remove"), of=gallery.name, on_action=lambda: act("passing"),
    )  # fmt: skip
    if pages > 1:
        key = f"passing-page-{pages}"
        if st.session_state.get(key) != page:
            st.session_state[key] = page
        st.pagination(pages, key=key, on_change=lambda: query_state.change(page=st.session_state[key]))


def show_results(gallery: Gallery, state: SearchState) -> None:
    query = query_of(gallery, state)
    result = answer(gallery, state, query)
    offer_undo(state)
    offer_to_keep(gallery, state)
    if not result.hits:
        if result.left_out:
            st.info(
                f"None of the {result.left_out} nearest is sure enough. Options › *Wrong hits, at most* allows more."
            )
        else:
            st.info(NONE_PASSES)
        return
    _said_of_the_hits(gallery, state, query, result)
    if result.unmatched:
        st.caption(literal(result.unmatched))
    address = _address_of_query(gallery, query)
    if state.beside and side_by_side(
        gallery, state, query, result, lambda where, what: answer(where, what, query_of(where, what)),
        address=address, on_action=lambda: act("both"),
    ):  # fmt: skip
        return
    results_grid(
        tiles_of(gallery.name, result, group=state.group or "label" * state.by_label, divided=not state.sort),
        key="hits",
        actions=("search", "like", "unlike", "open", "choose", *(("why",) if first_picture(query) else ()), "remove"),
        query=address,
        of=gallery.name,
        asked=str(hash(query)),
        like=state.like,
        unlike=state.unlike,
        on_action=lambda: act("hits"),
        on_feedback=_refine,
    )
    explain_chosen(gallery, query, result)


def _said_of_the_hits(gallery: Gallery, state: SearchState, query: Query, result: SearchResult) -> None:
    """How many, of what, in which order, and what they have in common; where the time went is in the tooltip."""
    if result.understood:
        st.caption(f"Understood: {literal(result.understood)}", help=kinds.LIMITS)
    order = "" if result.rerank == "none" else f", {query_state.ORDERS.get(result.rerank, result.rerank).lower()}"
    order = f", in the order of {sort_name(state.sort)}" if state.sort else order
    order = f", by {result.aspects.replace('=', ' ').replace(',', ', ').replace('-', '−')}" if result.aspects else order
    left_out = f", {result.unseen:,} of unknown colour left out" if result.unseen else ""
    left_out += f", {result.left_out} less sure left out" if result.left_out else ""
    among = f" of {len(resources.paths(gallery)):,}" if not state.where else ""
    spent = " · ".join(
        f"{name} {result.milliseconds[name]:.0f} ms"
        for name in ("open", "encode", "match", "search")
        if name in result.milliseconds
    )
    with st.container(horizontal=True, vertical_alignment="center", key="hits-line"):
        st.caption(
            f"{'' if result.close else '**No strong match. These are the nearest.** '}{len(result.hits)} most similar{among}{order}{left_out}",
            help=f"{SCORES_OF_KINDS if result.understood else SCORES_OF_WORDS} {spent}" if query.has_words else spent,
        )
        improve_button(gallery, state)
        downloads.result_buttons(gallery, query, result)
    moved = query.has_words or state.like or state.unlike or result.alike  # then the hits say less about the upload
    with st.container(horizontal=True, vertical_alignment="center", key="hits-facts"):  # as high whatever it says
        _already_here(gallery, state)
        if state.uploads and result.close and not moved:
            annotation_line(gallery, result.hits)
        common_terms(gallery, [hit.id for hit in result.hits], state=state)


def _already_here(gallery: Gallery, state: SearchState) -> None:
    """The upload's own copy is no hit, and that is said."""
    here = [one for one in state.uploads if one.id in resources.paths(gallery)]
    if here and not state.keep_query:
        with st.container(horizontal=True, vertical_alignment="center"):
            which = "This picture is" if len(state.uploads) == 1 else f"{len(here)} of these pictures are"
            st.caption(f"{which} in the gallery already, and left out of the hits.", width="content")
            st.button(
                "Show it" if len(here) == 1 else "Show them",
                type="tertiary",
                on_click=lambda: query_state.change(keep_query=True),
            )


def explain_chosen(gallery: Gallery, query: Query, result: SearchResult) -> None:
    """Against the first picture asked with: a mean of several has no places to hide, and neither have words."""
    chosen = st.session_state.pop("why", "")
    for rank, hit in enumerate(result.hits, 1):
        if hit.id == chosen and (first := first_picture(query)):
            parts = (*query.pictures, *query.ids, *query.like, *query.unlike, *query.texts, *query.not_texts)
            several = "Against the first picture asked with; all that was asked together ranked the hits."
            titles = ("Query", f"Hit {rank}: {hit.label or display_name(hit.path)}")
            why_similar(
                gallery, first, hit.id, titles=titles, note=several if len(parts) > 1 else "", order=result.rerank
            )


def _address_of_query(gallery: Gallery, query: Query) -> str:
    """Of the first picture asked with, to lay over a hit."""
    first = first_picture(query)
    if isinstance(first, QueryPicture):
        return publish(pictures.preview(first).jpeg)
    return whole_url(gallery.name, first) if first else ""


def first_picture(query: Query) -> QueryPicture | str | None:
    """An upload, the id of a picture of the gallery, or None when words alone ask."""
    return next(iter((*query.pictures, *query.ids, *query.like)), None)


def answer(gallery: Gallery, state: SearchState, query: Query) -> SearchResult:
    """By Milvus; when it fails, exactly from the gallery's files, and the page says so."""
    seen = aspects.known(gallery, state)
    options = state.options(gallery, query, seen)
    result, note = answers.answered(gallery, query, encoder=encoders.of_gallery, **options)
    if note:
        st.warning(literal(note))
    return sorting.in_order(result, state.sort)


def _refine() -> None:
    feedback = states.sent("hits", "feedback")
    marked = {name: states.texts(states.part(feedback, name)) for name in ("like", "unlike")} if feedback else {}
    query_state.change(**{"like": (), "unlike": ()} | marked)


def offer_undo(state: SearchState) -> None:
    """Until something else is asked."""
    name, ids, when = st.session_state.get("removed", ("", (), None))
    if when == state:
        with st.container(horizontal=True, vertical_alignment="center"):
            count = "One picture" if len(ids) == 1 else f"{len(ids):,} pictures"
            st.markdown(f"{count} removed from the gallery.", width="content")
            st.button("Undo", icon=":material/undo:", on_click=_undo, args=(name, list(ids)), key=f"undo-{ids[0]}")


def _undo(name: str, ids: list[str]) -> None:
    store.restore(resources.gallery(name), ids)
    del st.session_state["removed"]


guarded(page)
