"""Two lines in words: what pictures have in common, and what an uploaded one looks like."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

from app import COMPONENTS
from app.search.query_state import SearchState
from app.server import resources
from pipeline.analysis import carried_terms, terms
from pipeline.analysis.carried_terms import CLUSTER, LABEL, METADATA, TAG, WORD, Carried, Term
from pipeline.analysis.telling_terms import Shared
from pipeline.gallery.gallery import Gallery
from pipeline.records import SearchHit

CSS = COMPONENTS / "common_terms.css"
MAX_PICTURES = 200_000  # pictures of a gallery; of more, reading what each carries would keep the page waiting
MAX_CHIPS = 6  # chips; the most telling ones
MAX_GUESSES = 5
MAX_QUERIES = 8  # pictures of a selection that an address carries; the mean of more says much the same
MAX_CHARACTERS = 40  # characters of a term


def common_terms(gallery: Gallery, ids: Sequence[str], *, state: SearchState | None = None) -> None:
    """A line of chips, the most telling first; nothing when these pictures are as the gallery's others are.

    A chip of a label or a metadata value leads to the search `state` with its filter added; None: to a search with the
    first of these pictures. A search with an upload has no address to lead to, so there the chips are text. Ids that are
    no longer in the gallery are passed over. Reads no report and is fast after the first call for a gallery.
    """
    if len(resources.paths(gallery)) > MAX_PICTURES:
        return
    carried = _terms_of(gallery)
    there = [picture for picture in ids if picture in carried.places]
    asked_for = {clause.field for clause in state.filter().leaves() if not clause.negate} if state else set()
    found = terms.in_common(gallery, there, carried=carried)
    news = [one for one in found if one.term.clause.partition("=")[0] not in asked_for]  # a filter tells itself
    if not (shared := _without_repeats(news)[:MAX_CHIPS]):
        return
    state = state or SearchState(gallery=gallery.name, ids=tuple(there[:MAX_QUERIES]))
    chips = "".join(_chip(one, state) for one in shared)
    _line("In common:", f'<span role="list" style="display: contents">{chips}</span>')


def annotation_line(gallery: Gallery, hits: Sequence[SearchHit]) -> None:
    """`Looks like: hat (0.83), …` from the hits of an uploaded picture; nothing when they say nothing."""
    if len(resources.paths(gallery)) > MAX_PICTURES:
        return
    guesses = terms.annotate(gallery, hits, carried=_terms_of(gallery))
    labels = {guess.term.value for guess in guesses if guess.term.kind == LABEL}
    new = [guess for guess in guesses if guess.term.kind != METADATA or guess.term.value not in labels]
    likely = [guess for guess in new if guess.term.kind in (LABEL, METADATA, TAG)][:MAX_GUESSES]
    if likely:
        shares = ", ".join(f"<b>{_short(guess.term)}</b> ({guess.confidence:.2f})" for guess in likely)
        meaning = "The share of the nearest pictures, the closer ones counting more, that have it"
        _line("Looks like:", f'<span title="{meaning}">{shares}</span>', kind="in-words")


def _line(lead: str, markup: str, *, kind: str = "") -> None:
    st.html(CSS)
    st.html(f'<div class="common-terms {kind}"><span class="said">{lead}</span> {markup}</div>')


def _terms_of(gallery: Gallery) -> Carried:
    stamp = carried_terms.stamp(gallery)
    return resources.kept(gallery, "terms", stamp, make=lambda: carried_terms.carried(gallery))


def _without_repeats(shared: Sequence[Shared]) -> list[Shared]:
    """A value that repeats the label, and clusters and visual words that are named after one, say the same once."""
    labels = {one.term.value for one in shared if one.term.kind == LABEL}
    named = [one.term.value for one in shared if one.term.kind in (LABEL, METADATA)]
    return [
        one
        for one in shared
        if not (one.term.kind == METADATA and one.term.value in labels)
        and not (one.term.kind in (CLUSTER, WORD) and any(value in one.term.value for value in named))
    ]


def _chip(shared: Shared, state: SearchState) -> str:
    times = f"{shared.lift:.1f}" if shared.lift < 9.95 else f"{shared.lift:,.0f}"
    meaning = f"{shared.term.text}: {shared.count:,} of {shared.of:,}, {times} × as often as in the gallery"
    inside = f"<b>{_short(shared.term)}</b><small>{shared.count:,} of {shared.of:,} ({times} × the usual share)</small>"
    clause = shared.term.clause
    if not clause or state.uploads or clause in state.where:
        return f'<span class="chip" role="listitem" title="{html.escape(meaning)}">{inside}</span>'
    address = "/?" + urlencode(replace(state, where=(*state.where, clause)).address(), doseq=True)
    title = html.escape(f"{meaning}. Show only these")
    return f'<a class="chip" role="listitem" href="{html.escape(address)}" target="_self" title="{title}">{inside}</a>'


def _short(term: Term) -> str:
    """Escaped; a long text is cut, the whole of it is in the chip's title."""
    text = " ".join(term.text.split())
    return html.escape(text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…")
