"""Filters and options of a search: widgets that are set from the ask and change it in a callback."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from app.search import aspects, query_state, side_by_side
from app.search.facet_panel import facet_panel
from app.search.query_state import SearchState
from app.server import resources
from app.widgets import states
from app.widgets.literal import literal
from pipeline import filters
from pipeline.errors import UsageError
from pipeline.filters import FOLDER, ORIENTATION
from pipeline.filters.clauses import Clause
from pipeline.gallery import asked
from pipeline.gallery.confidence import LEVELS
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.ranking import BY_VIEWS
from pipeline.kinds.tags import SHOWS_KINDS
from pipeline.search import text
from pipeline.search.ask import FLAGS

_SAID = re.compile(r"\A\s*([^=!<>~]+?) is( not)? (?=[^=!<>~]*\Z)")  # a filter typed as the box shows it
MAX_FACTS = 50  # keys of metadata offered to sort by
REFUSED = "filter-refused"  # in the session: what is wrong with a filter that was typed


def option_row(gallery: Gallery, state: SearchState) -> None:
    """Filters and options. The ask is what counts: widgets are set from it and change it in a callback.

    A browser first meets those of the popover when it is opened, perhaps runs after they were set: it then goes by their
    defaults, so that these say the same.
    """
    clauses, entry = resources.clauses(gallery), gallery.encoder()
    values = {"where": list(state.where), "k": state.k} | {name: getattr(state, name) for name in FLAGS}
    values |= {"folding": state.collapse > 0, "collapse": state.collapse or 0.97, "rerank": state.rerank}
    values |= {"sort": state.sort, "group": state.group}
    values |= {"max_wrong": state.max_wrong, "beside": state.beside} | aspects.values(state)
    for name, value in values.items():
        # Only what differs: a run that writes a widget's value takes back what the visitor chose since it began
        if st.session_state.get(f"option-{name}") != value:
            st.session_state[f"option-{name}"] = value
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key="option-row")
    row.multiselect(
        "Filter",
        [*(clause for clause in state.where if clause not in clauses), *clauses],
        key="option-where",
        format_func=_readable,
        placeholder="Filter: a value, or width>=1000",
        accept_new_options=True,
        filter_mode="contains",
        select_all=False,
        label_visibility="collapsed",
        on_change=_filter,
        args=(gallery,),
    )
    with row:
        facet_panel(gallery, state)
    refused, of = st.session_state.get(REFUSED, ("", None))
    if refused and of == state:  # until something else is asked
        st.error(literal(refused), icon=":material/filter_alt_off:")
    chosen = sum(values[name] != value for name, value in _USUAL.items()) + bool(state.aspects)
    with row.popover(f"Options · {chosen}" if chosen else "Options", icon=":material/tune:"):
        st.select_slider("Hits", sorted({*query_state.KS, state.k}), state.k, key="option-k", on_change=_choose)
        orders = list(query_state.ORDERS)
        st.selectbox(
            "Order", orders, orders.index(state.rerank), key="option-rerank", format_func=query_state.ORDERS.get,
            help=_measured(entry.get("rerank", {})), disabled=bool(state.aspects), on_change=_choose,
        )  # fmt: skip
        by, fields = orders_by_facts(gallery, state.sort), ["", *dict.fromkeys([state.group, *facts_of(gallery)])]
        fields = list(dict.fromkeys(fields))
        st.selectbox(
            "Sort the hits", by, by.index(state.sort), key="option-sort", format_func=sort_name, on_change=_choose
        )
        st.selectbox(
            "Group the hits", fields, fields.index(state.group), key="option-group",
            format_func=lambda field: literal(field) or "Not", on_change=_choose,
        )  # fmt: skip
        others = side_by_side.choices(gallery, state)
        st.selectbox(
            "Beside it", list(others), list(others).index(state.beside), key="option-beside", format_func=others.get,
            help="A second answer to the same query, and which of the two is better.", on_change=_choose,
        )  # fmt: skip
        if state.shows or state.empty:
            aspects.sliders(state, _choose)
        if entry.get("confidence") or (state.texts and text.kinds_of(gallery)):
            st.select_slider(
                "Wrong hits, at most", [*LEVELS, 1.0], state.max_wrong, key="option-max_wrong", format_func=_share, on_change=_choose,
                disabled=bool(state.aspects) or state.query().learned,
                help="How often a hit is right was learned from this gallery's labels: right is one with the query's label; of words "
                "it is how likely the picture shows it.",
            )  # fmt: skip
        st.toggle("Group by label", state.by_label, key="option-by_label", on_change=_choose)
        if resources.regions(gallery):
            st.toggle("One hit per picture", state.by_picture, key="option-by_picture", on_change=_choose)
        st.toggle("Hide near-duplicates", state.collapse > 0, key="option-folding", on_change=_choose)
        off = not state.collapse
        st.slider(
            "Near-duplicate from score",
            0.80,
            1.0,
            values["collapse"],
            step=0.01,
            key="option-collapse",
            disabled=off,
            on_change=_choose,
        )
        st.toggle(
            "Show the query picture itself as a hit", state.keep_query, key="option-keep_query", on_change=_choose
        )


_USUAL = {
    "k": SearchState.k,
    "rerank": "",
    "beside": "",
    "sort": "",
    "group": "",
    "max_wrong": 1.0,
    "folding": False,
} | dict.fromkeys(FLAGS, False)


def _choose() -> None:
    now, session = query_state.current(), st.session_state  # a browser that was away may send one widget's value alone
    names = ("k", "rerank", "beside", "sort", "group", *FLAGS)
    chosen = {name: session.get(f"option-{name}", getattr(now, name)) for name in names}
    states.one_of(chosen["rerank"], query_state.ORDERS)
    for name in ("beside", "sort", "group"):
        states.text(chosen[name])
    chosen["aspects"] = aspects.chosen(now)
    chosen["max_wrong"] = session.get("option-max_wrong", 1.0)
    collapse = session.get("option-collapse", 0.97) if session.get("option-folding", now.collapse > 0) else 0.0
    where = states.texts(session.get("option-where", now.where))
    query_state.change(where=where, collapse=collapse, **chosen)


def _filter(gallery: Gallery) -> None:
    """Take the filters that can be asked; what is wrong with another is said below the box."""
    now, session = query_state.current(), st.session_state
    kept, refused = [], ""
    for said in states.texts(session.get("option-where", now.where)):
        typed = said if said in now.where else _SAID.sub(lambda match: f"{match[1]}{'!' if match[2] else ''}=", said)
        try:
            if typed not in now.where:
                asked.settled(filters.parse([typed]), gallery, lambda: resources.table(gallery))
            kept.append(typed)
        except UsageError as error:
            refused = str(error)
    session["option-where"] = kept
    _choose()
    session[REFUSED] = refused, query_state.current()


def facts_of(gallery: Gallery) -> list[str]:
    """What hits can be sorted and grouped by."""
    keys = [key for key in gallery.manifest()["metadata_keys"] if key != SHOWS_KINDS]
    return ["label", *keys[:MAX_FACTS], FOLDER, "width", "height", ORIENTATION]


def orders_by_facts(gallery: Gallery, now: str) -> list[str]:
    both = [order for field in facts_of(gallery) for order in (field, f"-{field}")]
    return list(dict.fromkeys(["", *both, now]))


def sort_name(by: str) -> str:
    return literal(f"{by[1:]}, last first" if by.startswith("-") else by) or "By likeness"


def _share(level: float) -> str:
    return "any" if level == 1 else f"1 in {round(1 / level)}"


def _measured(reranking: dict[str, Any]) -> str:
    """What each order did on this gallery's own labels, or on views of its pictures."""
    if not (measured := reranking.get("measured", [])):
        return "Nothing was measured here, so hits stand in the order of their scores: a gallery of 200 pictures is, at its next ingest."
    called = query_state.ORDERS | {
        one["spec"]: literal(one["spec"]) for one in measured if one["spec"] not in query_state.ORDERS
    }
    lines = [f"{called[one['spec']]}: {one['map_at_r']:.3f}" for one in measured]
    on = (
        "views of its own pictures, as its labels are too few"
        if reranking.get("by") == BY_VIEWS
        else "this gallery's labels"
    )
    return f"map_at_r on {on}. {'; '.join(lines)}. Taken: {called[reranking['spec']]}."


def _readable(clause: str) -> str:
    """A filter of one value in words; any other as it was typed."""
    try:
        [made] = filters.parse([clause]).clauses
    except (UsageError, ValueError):
        return clause
    if not isinstance(made, Clause) or made.operator != "=":
        return clause
    return (
        f"{made.field} {'is not' if made.negate else 'is'} {' or '.join(value or '(empty)' for value in made.values)}"
    )
