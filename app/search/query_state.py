"""What a visitor asks: query, options and their address. Kept in the session, so leaving the page loses nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import streamlit as st

from app.server import kept_uploads
from app.server.pictures import Upload
from pipeline import filters, plugins
from pipeline.errors import UsageError
from pipeline.filters.clauses import Clause, Either, Filter
from pipeline.gallery.confidence import LEVELS
from pipeline.images.regions import box_text, parse_box
from pipeline.search import by_aspect

MAX_UPLOADS = 8
HISTORY_BYTES = 100_000_000  # of uploads that can be gone back to, a session; the current ones come on top
KS = (12, 24, 48, 96, 192)
FLAGS = ("by_label", "by_picture", "keep_query")
LISTS = ("texts", "not_texts", "ids", "like", "unlike", "where")
_CALLED = {
    "none": "By score alone",
    "query_expansion": "Query expansion",
    "k_reciprocal": "k-reciprocal neighbours",
    "database_augmentation": "Hits joined with their neighbours",
}
ORDERS = {"": "Best measured"} | {
    name: _CALLED.get(name, name.replace("_", " ").capitalize()) for name in plugins.available("rerank")
}
"""Names of rerank/ and what the page calls them; "" is what did best on the gallery itself."""
NOTHING: dict[str, tuple[str, ...] | str] = {
    **dict.fromkeys(("uploads", "ids", "like", "unlike", "texts", "not_texts"), ()),
    "region": "",
}
"""What `change` takes to begin a query anew; filters and options stay."""


@dataclass(frozen=True)
class SearchState:
    """One state of the search page. Immutable: each change makes a new one and the old one goes on the history."""

    gallery: str = ""
    uploads: tuple[Upload, ...] = ()
    ids: tuple[str, ...] = ()
    region: str = ""  # x,y,w,h in pixels of the one picture of ids: only that part of it is asked with
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    not_texts: tuple[str, ...] = ()
    where: tuple[str, ...] = ()  # filters as typed, those chosen with one value each: label=cup, width>=1000
    k: int = 24
    collapse: float = 0.0  # 0: off
    rerank: str = ""  # a name of ORDERS
    max_wrong: float = 1.0  # 1: off
    aspects: str = ""  # what by_aspect.parse reads; '' = as a whole
    beside: str = ""  # the second answer: order:NAME of ORDERS or gallery:NAME; '' = none
    sort: str = ""  # a field, -field for the last first; '' = by likeness
    group: str = ""  # a field
    by_label: bool = False
    by_picture: bool = False
    keep_query: bool = False
    lost_upload: bool = field(default=False, compare=False)  # the address names an upload that is not here

    @property
    def empty(self) -> bool:
        return not (self.uploads or self.ids or self.like or self.texts)

    @property
    def shows(self) -> bool:
        """Whether a picture asks, which has colour and texture; words alone have none."""
        return bool(self.uploads or self.ids or self.like)

    @property
    def part(self) -> str:
        """The region, where there is one picture that it can be of."""
        return self.region if len(self.ids) == 1 else ""

    def filter(self) -> Filter:
        """Clauses of one field and sign are joined: label=cup with label=bowl means any of them."""
        joined: dict[tuple[str, bool], list[str]] = {}
        others: list[Clause | Either] = []
        for clause in filters.parse(self.where).clauses:
            if isinstance(clause, Clause) and clause.operator == "=":
                joined.setdefault((clause.field, clause.negate), []).extend(clause.values)
            else:
                others.append(clause)
        return Filter((*(Clause(name, tuple(values), negate) for (name, negate), values in joined.items()), *others))

    def address(self) -> dict[str, str | list[str]]:
        """Query parameters that repeat this ask; uploads are named by content, for the browser that brought them."""
        made: dict[str, str | list[str]] = {"gallery": self.gallery} if self.gallery else {}
        for name in LISTS:
            if values := getattr(self, name):
                made[name] = list(values)
        made |= {name: str(value) for name in _DEFAULT if (value := getattr(self, name)) != _DEFAULT[name]}
        made |= {name: "1" for name in FLAGS if getattr(self, name)}
        made |= {"region": self.part} if self.part else {}
        if self.uploads:
            made["upload"] = [kept_uploads.named(upload) for upload in self.uploads]
        return made


_DEFAULT = {
    "k": SearchState.k,
    "collapse": SearchState.collapse,
    "rerank": SearchState.rerank,
    "max_wrong": SearchState.max_wrong,
    "aspects": SearchState.aspects,
    "beside": SearchState.beside,
    "sort": SearchState.sort,
    "group": SearchState.group,
}


def of_address() -> SearchState:
    """The ask that the page's address describes; parts that cannot be read are passed over."""
    params = st.query_params
    many = {name: tuple(filter(str.strip, params.get_all(name))) for name in LISTS}
    try:
        filters.parse(many["where"])
    except UsageError:
        many["where"] = ()
    named = params.get_all("upload")[:MAX_UPLOADS]
    uploads = tuple(filter(None, map(kept_uploads.found, named)))
    flags = {name: params.get(name) == "1" for name in FLAGS}
    return SearchState(
        gallery=params.get("gallery", ""),
        k=_number(params.get("k", ""), SearchState.k, 1, 1000),
        collapse=_fraction(params.get("collapse", "")),
        max_wrong=nearest_level(params.get("max_wrong", "")),
        region=_box(params.get("region", "")),
        rerank=given if (given := params.get("rerank", "")) in ORDERS else "",
        aspects=_aspects(params.get("aspects", "")),
        beside=_beside(params.get("beside", "")),
        sort=params.get("sort", ""),
        group=params.get("group", ""),
        uploads=uploads,
        lost_upload=len(uploads) < len(named),
        **many,
        **flags,
    )


def follow_address() -> None:
    """Take the ask from an address that somebody typed, followed or went back to.

    For full runs of the page only: a click inside it may still carry the address from before the last answer.
    """
    given = _given()
    if given and given != st.session_state.get("written"):
        history = st.session_state.get("history", [])
        visited = next((old for old in reversed(history) if _as_lists(old) == given), None)
        st.session_state["ask"] = visited or of_address()


def current() -> SearchState:
    return st.session_state.setdefault("ask", SearchState())


def change(*, remember: bool = True, **changes: object) -> SearchState:
    """Make a new ask of the current one. remember: `back` returns to the old one."""
    old = current()
    new = replace(old, lost_upload=False, **changes)  # type: ignore[arg-type]
    if new != old:
        if remember:
            _keep(st.session_state.setdefault("history", []), old)
        st.session_state["ask"] = new
    return new


def _keep(history: list[SearchState], old: SearchState) -> None:
    """The way back is bounded in steps and in bytes; an upload that several asks share counts once."""
    history.append(old)
    del history[:-20]
    while len(history) > 1 and _bytes(history) > HISTORY_BYTES:
        del history[0]


def _bytes(history: list[SearchState]) -> int:
    return sum({id(upload.data): len(upload.data) for ask in history for upload in ask.uploads}.values())


def back() -> None:
    if history := st.session_state.get("history"):
        st.session_state["ask"] = history.pop()


def can_go_back() -> bool:
    return bool(st.session_state.get("history"))


def write_address(ask: SearchState) -> None:
    """Put the ask into the page's address, so that a link repeats it."""
    if _as_lists(ask) != _given() and not ask.lost_upload:
        st.query_params.from_dict(ask.address())
    st.session_state["written"] = _given()


def _given() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _as_lists(ask: SearchState) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in ask.address().items()}


def _number(text: str, otherwise: int, low: int, high: int) -> int:
    return min(max(int(text), low), high) if text.isdecimal() else otherwise


def _box(text: str) -> str:
    try:
        return box_text(parse_box(text)) if text else ""
    except UsageError:
        return ""


def _aspects(text: str) -> str:
    try:
        return by_aspect.written(by_aspect.parse(text))
    except UsageError:
        return ""


def _beside(text: str) -> str:
    kind, _, name = text.partition(":")
    return text if (kind == "order" and name in ORDERS) or (kind == "gallery" and name) else ""


def nearest_level(text: str) -> float:
    """Of LEVELS, the strictest that allows this share of wrong hits; 1 = off."""
    share = _fraction(text)
    return max((level for level in LEVELS if level <= share), default=1.0) if 0 < share < 1 else 1.0


def _fraction(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
