"""Two lines in words: what pictures have in common, and what an uploaded one looks like."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

from app import COMPONENTS
from app.search.query_state import Ask
from app.server import resources
from pipeline.analysis import carried_terms, terms
from pipeline.analysis.carried_terms import CLUSTER, LABEL, METADATA, TAG, WORD, Carried, Term
from pipeline.analysis.telling_terms import Shared
from pipeline.gallery.gallery import Gallery
from pipeline.records import SearchHit

CSS = COMPONENTS / "common_terms.css"
MOST = 200_000  # pictures of a gallery; of more, reading what each carries would keep the page waiting
SHOWN = 6  # chips; the most telling ones
GUESSED = 5
ASKED_WITH = 8  # pictures of a selection that an address carries; the mean of more says much the same
LONGEST = 40  # characters of a term


def common_terms(gallery: Gallery, ids: Sequence[str], *, asked: Ask | None = None) -> None:
    """A line of chips, the most telling first; nothing when these pictures are as the gallery's others are.

    A chip of a label or a metadata value leads to the search `asked` with its filter added; None: to a search with the
    first of these pictures. A search with an upload has no address to lead to, so there the chips are text. Ids that are
    no longer in the gallery are passed over. Reads no report and is fast after the first call for a gallery.
    """
    if len(resources.paths(gallery)) > MOST:
        return
    known = _known(gallery)
    there = [picture for picture in ids if picture in known.places]
    found = _without_repeats(terms.in_common(gallery, there, known=known))[:SHOWN]
    if not found:
        return
    asked = asked or Ask(gallery=gallery.name, ids=tuple(there[:ASKED_WITH]))
    chips = "".join(_chip(one, asked) for one in found)
    _line("In common:", f'<span role="list" style="display: contents">{chips}</span>')


def annotation_line(gallery: Gallery, hits: Sequence[SearchHit]) -> None:
    """`Looks like: hat (0.83), …` from the hits of an uploaded picture; nothing when they say nothing."""
    if len(resources.paths(gallery)) > MOST:
        return
    guesses = terms.annotate(gallery, hits, known=_known(gallery))
    labels = {guess.term.value for guess in guesses if guess.term.kind == LABEL}
    new = [guess for guess in guesses if guess.term.kind != METADATA or guess.term.value not in labels]
    said = [guess for guess in new if guess.term.kind in (LABEL, METADATA, TAG)][:GUESSED]
    if said:
        shares = ", ".join(f"<b>{_short(one.term)}</b> ({one.confidence:.2f})" for one in said)
        meaning = "The share of the nearest pictures, the closer ones counting more, that have it"
        _line("Looks like:", f'<span title="{meaning}">{shares}</span>', kind="in-words")


def _line(said: str, markup: str, *, kind: str = "") -> None:
    st.html(CSS)
    st.html(f'<div class="common-terms {kind}"><span class="said">{said}</span> {markup}</div>')


def _known(gallery: Gallery) -> Carried:
    stamp = carried_terms.stamp(gallery)
    return resources.kept(gallery, "terms", stamp, make=lambda: carried_terms.carried(gallery))


def _without_repeats(found: Sequence[Shared]) -> list[Shared]:
    """A value that repeats the label, and clusters and visual words that are named after one, say the same once."""
    labels = {one.term.value for one in found if one.term.kind == LABEL}
    named = [one.term.value for one in found if one.term.kind in (LABEL, METADATA)]
    return [
        one
        for one in found
        if not (one.term.kind == METADATA and one.term.value in labels)
        and not (one.term.kind in (CLUSTER, WORD) and any(value in one.term.value for value in named))
    ]


def _chip(one: Shared, asked: Ask) -> str:
    times = f"{one.lift:.1f}" if one.lift < 9.95 else f"{one.lift:,.0f}"
    meaning = f"{one.term.text}: {one.count:,} of {one.of:,}, {times} × as often as in the gallery"
    inside = f"<b>{_short(one.term)}</b><small>{one.count:,} of {one.of:,} · {times} ×</small>"
    clause = one.term.clause
    if not clause or asked.uploads or clause in asked.where:
        return f'<span class="chip" role="listitem" title="{html.escape(meaning)}">{inside}</span>'
    address = "/?" + urlencode(replace(asked, where=(*asked.where, clause)).address(), doseq=True)
    title = html.escape(f"{meaning}. Show only these")
    return f'<a class="chip" role="listitem" href="{html.escape(address)}" target="_self" title="{title}">{inside}</a>'


def _short(term: Term) -> str:
    """Escaped; a long text is cut, the whole of it is in the chip's title."""
    text = " ".join(term.text.split())
    return html.escape(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
