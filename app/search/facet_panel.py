"""Filters by slider, calendar and chips, with how many pictures pass: they make the clauses that are typed otherwise."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.search import query_state
from app.search.query_state import SearchState
from app.server import resources
from app.widgets import states
from app.widgets.literal import literal
from pipeline import filters
from pipeline.errors import UsageError
from pipeline.filters.clauses import Clause
from pipeline.gallery import asked
from pipeline.gallery.gallery import Gallery
from pipeline.search import facets
from pipeline.search.facets import Facet, Field

MAX_FACETS, MAX_CHIPS = 12, 12
MAX_PICTURES = 300_000  # that are counted while a visitor waits: 100,000 take 0.3 s


def facet_panel(gallery: Gallery, state: SearchState) -> None:
    """A popover that counts only once it is open."""
    with st.popover("Facts", icon=":material/filter_alt:", key="facets", on_change="rerun") as opened:
        if not opened.open:
            return
        if len(resources.paths(gallery)) > MAX_PICTURES:
            st.caption(f"Counted up to {MAX_PICTURES:,} pictures. Filters are typed here, such as width>=1000.")
            return
        table, keys = resources.table(gallery), gallery.manifest()["metadata_keys"]
        known = resources.kept(gallery, "fields", make=lambda: facets.fields(table, keys, asked.kinds_of(gallery)))
        if not known:
            st.caption("These pictures have no facts that differ. Labels and a table of metadata bring some.")
            return
        try:
            found = facets.facets(
                table,
                known[:MAX_FACETS],
                state.filter(),
                keys=keys,
                settled=lambda some: asked.settled(some, gallery, lambda: table),
            )
        except UsageError as error:  # of a link to another gallery's fields
            st.error(literal(str(error)))
            return
        for one in found:
            _DRAWN[one.field.kind](one, _own(state.where, one.field.name))
        if len(known) > MAX_FACETS:
            st.caption(f"{len(known) - MAX_FACETS} more fields can be typed into the filter.")


def _own(where: Sequence[str], field: str) -> list[Clause]:
    """Clauses of this field alone that a widget can show."""
    made = [one for text in where if (one := _alone(text))]
    return [one for one in made if one.field == field]


def _alone(text: str) -> Clause | None:
    """The plain `field=value` that a text is; None for any other filter."""
    try:
        clauses = filters.parse([text]).clauses
    except UsageError:
        return None
    if len(clauses) != 1 or not isinstance(clauses[0], Clause):
        return None
    return clauses[0] if clauses[0].operator == "=" and not clauses[0].negate else None


def _put(field: str, values: Sequence[str]) -> None:
    """These values in place of what the widgets said of the field."""
    now = query_state.current()
    others = [text for text in now.where if not ((one := _alone(text)) and one.field == field)]
    query_state.change(where=(*others, *(str(Clause(field, (value,))) for value in values)))


def _set(key: str, value: Any) -> None:
    if st.session_state.get(key) != value:  # only what differs: see options.option_row
        st.session_state[key] = value


def _title(one: Facet) -> str:
    unread = f", {one.field.unread:,} not read as a {one.field.kind}" if one.field.unread else ""
    return f"{literal(one.field.name)} · {one.passing:,}{unread}"


def _slider(one: Facet, own: list[Clause]) -> None:
    field, key = one.field, f"facet-{one.field.name}"
    kind = int if field.whole and max(abs(field.low), abs(field.high)) < 2**53 else float
    ends = kind(field.low), kind(field.high)
    chosen = [interval for clause in own for interval in clause.numbers]
    low, high = (max(chosen[0].low, ends[0]), min(chosen[0].high, ends[1])) if chosen else ends
    low, high = (min(max(kind(end), ends[0]), ends[1]) for end in (low, high))
    _set(key, (min(low, high), high))
    st.slider(_title(one), *ends, key=key, on_change=_slid, args=(field, key))


def _slid(field: Field, key: str) -> None:
    low, high = states.span(st.session_state.get(key))
    first = "" if low <= field.low else f"{low:.10g}"  # at its end a slider means whatever lies there
    last = "" if high >= field.high else f"{high:.10g}"
    _put(field.name, [f"{first}..{last}"] if first or last else [])


def _calendar(one: Facet, own: list[Clause]) -> None:
    field, key = one.field, f"facet-{one.field.name}"
    ends = _day(field.low), _day(field.high)
    chosen = [interval for clause in own for interval in clause.dates]
    days: tuple[Any, ...] = ()
    if chosen:
        days = tuple(
            min(max(_day(end), ends[0]), ends[1])
            for end in (max(chosen[0].low, field.low), min(chosen[0].high, field.high))
        )
    if len(st.session_state.get(key) or ()) != 1:  # a first end that waits for its second stays
        _set(key, days)
    st.date_input(
        _title(one),
        min_value=ends[0],
        max_value=ends[1],
        key=key,
        format="YYYY-MM-DD",
        on_change=_dated,
        args=(field, key),
    )


def _dated(field: Field, key: str) -> None:
    days = st.session_state.get(key) or ()
    if len(days) == 1:  # the second end is not chosen yet
        return
    _put(field.name, ["..".join(day.isoformat() for day in days)] if days else [])


def _day(seconds: float) -> datetime.date:
    return datetime.date(*time.gmtime(seconds)[:3])


def _chips(one: Facet, own: list[Clause]) -> None:
    name, key = one.field.name, f"facet-{one.field.name}"
    chosen = [value for clause in own for value in clause.values]
    options = list(dict.fromkeys([*chosen, *list(one.counts)[:MAX_CHIPS]]))
    _set(key, chosen)
    st.pills(
        literal(name) + (f" · the {MAX_CHIPS} most frequent of {len(one.counts)}" if len(one.counts) > MAX_CHIPS else ""),
        options, selection_mode="multi", key=key, format_func=lambda value: f"{literal(value)} {one.counts.get(value, 0):,}",
        on_change=lambda: _put(name, states.texts(st.session_state.get(key))),
    )  # fmt: skip


_DRAWN = {"number": _slider, "date": _calendar, "choice": _chips}
