"""What a visitor compares, and its address. Kept in the session, so leaving the page loses nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import streamlit as st

from app.server.pictures import Upload
from pipeline.recognition.verification import RATES

TWO, NAMED = "two", "identity"
SLOTS = ("first", "second")


@dataclass(frozen=True)
class PairAsk:
    """One state of the page. A picture is an id of the gallery, an upload, or "" for none yet."""

    gallery: str = ""
    mode: str = TWO
    rate: float = 0.01
    by: str = "label"
    first: str | Upload = ""
    second: str | Upload = ""
    who: str = ""  # "identity:NAME" or "label:NAME"; "" = all of them
    lost_upload: bool = field(default=False, compare=False)  # the address was made for an upload

    def address(self) -> dict[str, str]:
        """Query parameters that repeat this; uploads are named by content only."""
        made = {"gallery": self.gallery, "mode": self.mode, "rate": f"{self.rate:g}", "by": self.by, "who": self.who}
        usual = PairAsk()
        kept = {
            name: value for name, value in made.items() if value not in ("", getattr(usual, name), f"{usual.rate:g}")
        }
        for slot in SLOTS:
            picture = getattr(self, slot)
            if isinstance(picture, Upload):
                kept["upload"] = picture.id[:8]
            elif picture:
                kept[slot] = picture
        return kept


def of_address() -> PairAsk:
    """What the page's address describes; parts that cannot be read are passed over."""
    params = st.query_params
    given = {name: params[name] for name in ("gallery", "by", "who", *SLOTS) if name in params}
    rate = next((one for one in RATES if f"{one:g}" == params.get("rate")), PairAsk.rate)
    mode = NAMED if params.get("mode") == NAMED else TWO
    return PairAsk(mode=mode, rate=rate, lost_upload="upload" in params, **given)


def follow_address() -> None:
    """Take what somebody typed or followed; for full runs of the page only, as app/search/query_state.py says."""
    given = dict(st.query_params)
    if given and given != st.session_state.get("pair-written"):
        st.session_state["pair-ask"] = of_address()


def current() -> PairAsk:
    return st.session_state.setdefault("pair-ask", PairAsk())


def change(**changes: object) -> PairAsk:
    new = replace(current(), lost_upload=False, **changes)  # type: ignore[arg-type]
    st.session_state["pair-ask"] = new
    return new


def belongs_to(gallery: str) -> None:
    """Another gallery has other ids and names; uploads stay."""
    asked = current()
    if asked.gallery and asked.gallery != gallery:
        kept = {slot: picture for slot in SLOTS if isinstance(picture := getattr(asked, slot), Upload)}
        st.session_state["pair-ask"] = PairAsk(gallery, asked.mode, asked.rate, **kept)
    elif not asked.gallery:
        st.session_state["pair-ask"] = replace(asked, gallery=gallery)


def write_address() -> None:
    """Put what is asked into the page's address, so that a link repeats it."""
    asked = current()
    if asked.address() != dict(st.query_params) and not asked.lost_upload:
        st.query_params.from_dict(asked.address())
    st.session_state["pair-written"] = dict(st.query_params)
