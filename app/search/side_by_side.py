"""Two answers to one query: another order, or another gallery of the same pictures, and which of them is better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from app.search import query_state
from app.search.query_state import SearchState
from app.server import resources
from app.widgets import component
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal, told_apart
from app.widgets.results_grid import tiles_of
from pipeline.errors import GalleryError, SemblanceError
from pipeline.gallery import preferences
from pipeline.gallery.gallery import Gallery
from pipeline.search.search import Query, SearchResult

Ask = Callable[[Gallery, SearchState], SearchResult]
ENOUGH = 0.5  # of the pictures of the smaller gallery that another one shares, to be offered


def choices(gallery: Gallery, state: SearchState) -> dict[str, str]:
    """What `SearchState.beside` takes, and what the page calls it."""
    orders = {f"order:{name}": f"Order: {called}" for name, called in query_state.ORDERS.items()}
    if not state.aspects:
        orders.pop(f"order:{state.rerank}", None)
    others = {
        f"gallery:{name}": f"Gallery: {title}"
        for name, title in told_apart(resources.gallery_titles()).items()
        if name != gallery.name and _share(gallery, resources.gallery(name)) >= ENOUGH
    }
    known = {"": "Nothing"} | orders | others
    return known if state.beside in known else known | {state.beside: state.beside.partition(":")[2]}


def second(gallery: Gallery, state: SearchState) -> tuple[Gallery, SearchState]:
    """Where and what is asked for the second answer. GalleryError when there is no such gallery."""
    kind, _, name = state.beside.partition(":")
    if kind == "gallery":
        return resources.gallery(name), state
    return gallery, replace(state, rerank=name, aspects="")


def side_by_side(
    gallery: Gallery,
    state: SearchState,
    query: Query,
    result: SearchResult,
    ask: Ask,
    *,
    address: str,
    on_action: Callable[[], None],
) -> bool:
    """Draw both; False, and why as a sentence, when there is no second one. address: of the picture asked with."""
    try:
        other, asked = second(gallery, state)
        beside = ask(other, asked)
    except SemblanceError as error:
        st.error(literal(f"No second answer: {error}"))
        return False
    both = len({hit.id for hit in result.hits} & {hit.id for hit in beside.hits})
    most = max(len(result.hits), len(beside.hits))
    ways = _way(gallery, result), _way(other, beside)
    st.markdown(f"**Both answers have {both} of {most} pictures.**" + (" A line joins each." if both else ""))
    _which_is_better(gallery, query, ways)
    titles = [_title(result), _title(beside)]
    if other.name != gallery.name:
        titles = [
            f"{one.manifest()['title']}, {title[0].lower()}{title[1:]}"
            for one, title in zip((gallery, other), titles, strict=True)
        ]
    tiles = [
        [tile for tile in tiles_of(of.name, answer) if "id" in tile]
        for of, answer in ((gallery, result), (other, beside))
    ]
    _two_answers(list(zip(titles, tiles, strict=True)), key="both", query=address, on_action=on_action)
    return True


def _which_is_better(gallery: Gallery, query: Query, ways: tuple[str, str]) -> None:
    """Three buttons, what was said before, and how often each way was the better one so far."""
    asked = (*[picture.id for picture in query.pictures], *query.ids, *query.texts)
    same = "Both answers come by the same way" if ways[0] == ways[1] else ""
    said = preferences.kept(gallery, asked=asked, ways=ways)
    named = {preferences.FIRST: "Left", preferences.ALIKE: "Alike", preferences.SECOND: "Right"}
    with st.container(horizontal=True, vertical_alignment="center", key="which-is-better"):
        st.markdown("Which is better?", width="content")
        for better, name in named.items():
            chosen = said == better
            st.button(
                name,
                type="primary" if chosen else "secondary",
                key=f"better-{better}",
                disabled=bool(same),
                help=same or ("Press again to take it back" if chosen else None),
                on_click=attempt,
                args=(_keep, gallery, asked, ways, preferences.TAKEN_BACK if chosen else better),
            )
        so_far = next((one for one in preferences.tallies(gallery) if set(one.ways) == set(ways)), None)
        told = "nobody has said"
        if so_far:
            left, right = (so_far.first, so_far.second) if so_far.ways == ways else (so_far.second, so_far.first)
            told = f"left {left}, alike {so_far.alike}, right {right}"
        st.caption(f"So far: {told}", width="content")  # also before: no hit moves when it is said
    problem()


def _keep(gallery: Gallery, asked: tuple[str, ...], ways: tuple[str, str], better: str) -> None:
    preferences.keep(gallery, asked=asked, ways=ways, better=better)


def _way(gallery: Gallery, result: SearchResult) -> str:
    """What gave an answer, the same in every gallery and session."""
    return f"{gallery.encoder()['spec']}, {result.aspects or result.rerank}"


def _title(result: SearchResult) -> str:
    if result.aspects:
        return f"By {result.aspects.replace('=', ' ').replace(',', ', ').replace('-', '−')}"
    return literal(query_state.ORDERS.get(result.rerank, result.rerank))


def _share(gallery: Gallery, other: Gallery) -> float:
    """Of the pictures of the smaller one, those that the other has too; 0 for one that is damaged."""
    try:
        mine, others = (resources.kept(one, "ids", make=one.ids) for one in (gallery, other))
    except GalleryError:
        return 0.0
    return len(mine & others) / max(1, min(len(mine), len(others)))


def _two_answers(
    sides: Sequence[tuple[str, Sequence[dict[str, Any]]]], *, key: str, query: str, on_action: Callable[[], None]
) -> None:
    """Two answers to one query beside each other; what both have is joined by a line.

    sides: title and tiles of `results_grid.tile`, of the left and the right one. query: the address of the picture asked
    with. A click opens a picture; `.action` is {kind, id} as of the grid."""
    component("two_answers", ("viewer.js", "two_answers.js"), ("results_grid.css", "two_answers.css"))(
        data={"sides": [{"title": title, "tiles": list(tiles)} for title, tiles in sides], "query": query},
        key=key,
        on_action_change=on_action,
    )
