"""The pictures that a visitor has ticked, the same ones on every page: components/selection.js holds them in the browser."""

from __future__ import annotations

import hashlib
import html
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app.widgets import component
from pipeline.gallery.saved_views import SELECTED, packed, unpacked

MAX_SELECTED = 10_000  # ids that a page sends


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
    if packed_ids := st.query_params.get(SELECTED):
        del st.query_params[SELECTED]
        if ids := unpacked(packed_ids):
            st.session_state["linked"] = (st.query_params.get("gallery", ""), ids)


def linked(gallery: str) -> None:
    """Select what the link of this visit held for this gallery."""
    of, ids = st.session_state.get("linked", ("", []))
    if of == gallery:
        put(gallery, ids, token=packed(ids))
