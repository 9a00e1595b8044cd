"""What a visitor asks: query, options and their address. Kept in the session, so leaving the page loses nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import streamlit as st

from app.server import kept_uploads
from app.server.pictures import Upload
from pipeline import plugins
from pipeline.search.ask import UPLOAD, Ask

MAX_UPLOADS = 8
HISTORY_BYTES = 100_000_000  # of uploads that can be gone back to, a session; the current ones come on top
KS = (12, 24, 48, 96, 192)
_CALLED = {
    "none": "By score alone",
    "query_expansion": "Query expansion",
    "k_reciprocal": "k-reciprocal neighbours",
    "database_augmentation": "Hits joined with their neighbours",
    "patches": "Matched places",
    "geometric": "Matched keypoints",
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
class SearchState(Ask):
    """One state of the search page. Immutable: each change makes a new one and the old one goes on the history."""

    uploads: tuple[Upload, ...] = ()
    lost_upload: bool = field(default=False, compare=False)  # the address names an upload that is not here

    @property
    def empty(self) -> bool:
        return not (self.uploads or self.ids or self.like or self.texts)

    @property
    def browses(self) -> bool:
        """Whether the gallery's pictures are looked through, with no other picture or word to be like."""
        return self.empty and bool(self.where or self.sort or self.group)

    @property
    def shows(self) -> bool:
        """Whether a picture asks, which has colour and texture; words alone have none."""
        return bool(self.uploads or self.ids or self.like)

    def address(self) -> dict[str, str | list[str]]:
        """Uploads are named by content, for the browser that brought them."""
        uploads = [kept_uploads.named(upload) for upload in self.uploads]
        return super().address() | ({UPLOAD: uploads} if uploads else {})


def of_address() -> SearchState:
    """The ask that the page's address describes; parts that cannot be read are passed over."""
    given = _given()
    named = given.get(UPLOAD, [])[:MAX_UPLOADS]
    uploads = tuple(filter(None, map(kept_uploads.found, named)))
    return replace(SearchState.of(given), uploads=uploads, lost_upload=len(uploads) < len(named))


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
    """Make a new ask of the current one, which begins at its first page. remember: `back` returns to the old one."""
    old = current()
    new = replace(old, **{"lost_upload": False, "page": 1} | changes)  # type: ignore[arg-type]
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
