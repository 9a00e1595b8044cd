"""Pictures in a row that scrolls by itself, each with two lines below; a click searches with a picture."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from app import COMPONENTS
from app.server.routes import thumbnail_url
from app.widgets import selection, strips

CSS = COMPONENTS / "picture_row.css"


@dataclass(frozen=True)
class Tile:
    """kind: '' or of strips.css: query (framed), right (solid blue), wrong (dashed orange); out is faded.

    Texts are shown as they are, never as markup.
    """

    id: str
    first: str
    second: str = ""
    alt: str = ""
    kind: str = ""


def styles() -> None:
    """Once a page, before the first row."""
    st.html(strips.CSS)
    st.html(CSS)


def draw(gallery: str, tiles: Iterable[Tile], *, said: str = "") -> None:
    """said: one line above the row, markup of the caller's own with its texts escaped."""
    above = f'<div class="said">{said}</div>' if said else ""
    drawn = "".join(_drawn(gallery, tile) for tile in tiles)
    st.html(f'<div class="strips picture-row">{above}<div class="hits" role="list">{drawn}</div></div>')


def _drawn(gallery: str, tile: Tile) -> str:
    address = html.escape("/?" + urlencode({"gallery": gallery, "ids": tile.id}))
    said = tile.alt or f"{tile.first} {tile.second}".strip()
    alt = html.escape(said)
    lines = f"<b>{html.escape(tile.first)}</b><span>{html.escape(tile.second)}</span>"
    return (
        f'<div class="picked" role="listitem"><a class="{tile.kind}" href="{address}" target="_self" title="{alt}: search with '
        f'it"><img src="{thumbnail_url(gallery, tile.id)}" alt="{alt}" loading="lazy">{lines}</a>'
        f"{'' if tile.kind == 'out' else selection.tick(gallery, tile.id, said)}</div>"
    )
