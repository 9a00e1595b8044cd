"""What a visitor compares, and its address. Kept in the session, so leaving the page loses nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import streamlit as st

from app.server import kept_uploads
from app.server.pictures import Upload
from pipeline.recognition.verification import RATES

TWO, NAMED = "two", "identity"
SLOTS = ("first", "second")
UPLOAD = "upload:"  # before what an address holds of one


@dataclass(frozen=True)
class PairQuery:
    """One state of the page. A picture is an id of the gallery, an upload, or "" for none yet."""

    gallery: str = ""
    mode: str = TWO
    rate: float = 0.01
    by: str = "label"
    first: str | Upload = ""
    second: str | Upload = ""
    who: str = ""  # "identity:NAME" or "label:NAME"; "" = all of them
    lost_upload: bool = field(default=False, compare=False)  # the address names an upload that is not here

    def address(self) -> dict[str, str]:
        """Query parameters that repeat this; uploads are named by content, for the browser that brought them."""
        parameters = {
            "gallery": self.gallery,
            "mode": self.mode,
            "rate": f"{self.rate:g}",
            "by": self.by,
            "who": self.who,
        }
        default = PairQuery()
        address = {
            name: value
            for name, value in parameters.items()
            if value not in ("", getattr(default, name), f"{default.rate:g}")
        }
        for slot in SLOTS:
            picture = getattr(self, slot)
            if isinstance(picture, Upload):
                address[slot] = f"{UPLOAD}{kept_uploads.named(picture)}"
            elif picture:
                address[slot] = picture
        return address


def of_address() -> PairQuery:
    """What the page's address describes; parts that cannot be read are passed over."""
    params = st.query_params
    given = {name: params[name] for name in ("gallery", "by", "who", *SLOTS) if name in params}
    rate = next((rate for rate in RATES if f"{rate:g}" == params.get("rate")), PairQuery.rate)
    mode = NAMED if params.get("mode") == NAMED else TWO
    named = {slot: given.pop(slot) for slot in SLOTS if given.get(slot, "").startswith(UPLOAD)}
    uploads = {
        slot: upload for slot, text in named.items() if (upload := kept_uploads.found(text.removeprefix(UPLOAD)))
    }
    return PairQuery(
        mode=mode, rate=rate, lost_upload="upload" in params or len(uploads) < len(named), **given, **uploads
    )


def follow_address() -> None:
    """Take what somebody typed or followed; for full runs of the page only, as app/search/query_state.py says."""
    given = dict(st.query_params)
    if given and given != st.session_state.get("pair-written"):
        st.session_state["pair-query"] = of_address()


def current() -> PairQuery:
    return st.session_state.setdefault("pair-query", PairQuery())


def change(**changes: object) -> PairQuery:
    new = replace(current(), lost_upload=False, **changes)  # type: ignore[arg-type]
    st.session_state["pair-query"] = new
    return new


def belongs_to(gallery: str) -> None:
    """Another gallery has other ids and names; uploads stay."""
    query = current()
    if query.gallery and query.gallery != gallery:
        uploads = {slot: picture for slot in SLOTS if isinstance(picture := getattr(query, slot), Upload)}
        st.session_state["pair-query"] = PairQuery(gallery, query.mode, query.rate, **uploads)
    elif not query.gallery:
        st.session_state["pair-query"] = replace(query, gallery=gallery)


def write_address() -> None:
    """Put what is asked into the page's address, so that a link repeats it."""
    query = current()
    if query.address() != dict(st.query_params) and not query.lost_upload:
        st.query_params.from_dict(query.address())
    st.session_state["pair-written"] = dict(st.query_params)
