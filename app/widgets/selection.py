"""The pictures that a visitor has ticked, the same ones on every page: components/selection.js holds them in the browser."""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app.widgets import component

ADDRESS = "selection"
MAX_SELECTED, MAX_LINKED = 10_000, 1_000  # ids that a page sends, that an address holds
_ID_BYTES = 16


def tick(gallery: str, picture: str, said: str) -> str:
    """Markup of a tick for a row that is markup itself. It stands beside the picture's link: a link holds no button."""
    return (
        f'<button class="tick" type="button" role="checkbox" aria-checked="false" data-of="{html.escape(gallery)}" '
        f'data-tick="{html.escape(picture)}" aria-label="Select {html.escape(said)}" title="Select; with Shift all from the '
        'last one"></button>'
    )


def put(gallery: str, ids: Sequence[str], *, token: str, add: bool = False) -> None:
    """Select these, once for each token. add: beside what is selected, else in its place."""
    short = hashlib.sha256(token.encode()).hexdigest()[:16]
    data = {"of": gallery, "ids": list(ids[:MAX_SELECTED]), "add": add, "token": short}
    component("put", ("selection.js", "put.js"))(data=data, key=f"put-{gallery}-{short}")


def button(gallery: str, label: str, ids: Callable[[], Sequence[str]], *, key: str, **options: Any) -> None:
    """Adds the pictures to the selection."""
    if st.button(label, icon=":material/select_check_box:", key=key, **options):
        put(gallery, ids(), token=uuid.uuid4().hex, add=True)


def follow_link() -> None:
    """Take the selection of an address that `packed` made, and the part out of the address; what is none is passed over."""
    if packed_ids := st.query_params.get(ADDRESS):
        del st.query_params[ADDRESS]
        if ids := unpacked(packed_ids):
            st.session_state["linked"] = (st.query_params.get("gallery", ""), ids)


def linked(gallery: str) -> None:
    """Select what the link of this visit held for this gallery."""
    of, ids = st.session_state.get("linked", ("", []))
    if of == gallery:
        put(gallery, ids, token=packed(ids))


def packed(ids: Sequence[str]) -> str:
    """Ids as an address holds them, 22 characters each; tray.js does the same."""
    return base64.urlsafe_b64encode(bytes.fromhex("".join(ids))).rstrip(b"=").decode()


def unpacked(text: str) -> list[str]:
    """`packed` read back; [] for anything else."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return []
    if len(data) % _ID_BYTES or len(data) > MAX_LINKED * _ID_BYTES:
        return []
    return [data[start : start + _ID_BYTES].hex() for start in range(0, len(data), _ID_BYTES)]
