"""A query and its hits in a row, wrong hits marked by colour, line and sign; a click searches with a picture."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from app import COMPONENTS
from app.server.routes import thumbnail_url
from app.widgets import selection
from pipeline.errors import display_name

CSS = COMPONENTS / "strips.css"


@dataclass(frozen=True)
class Strip:
    """query: id, label, path. hits: (id, label, score), closest first. note: of the query, such as its figures.

    asking: the gallery that holds the query; empty = that of the hits.
    """

    query: tuple[str, str, str]
    hits: tuple[tuple[str, str, float], ...]
    note: str = ""
    asking: str = ""


def strip_of(row: dict[str, Any], note: str = "", *, asking: str = "") -> Strip:
    """From a row of an evaluation's table."""
    hits = zip(row["hits"], row["hit_labels"], row["hit_scores"], strict=True)
    return Strip((row["id"], row["label"], row["path"]), tuple(hits), note, asking)


def draw(gallery: str, strips: Iterable[Strip]) -> None:
    st.html(CSS)
    st.html(f'<div class="strips" role="list">{"".join(_drawn(gallery, strip) for strip in strips)}</div>')


def _drawn(gallery: str, strip: Strip) -> str:
    picture, label, path = strip.query
    query = _tile(
        strip.asking or gallery, picture, f"query, {label}, {display_name(path)}", "query", html.escape(label)
    )
    hits = "".join(_hit(gallery, label, *hit) for hit in strip.hits)
    note = f'<div class="note">{html.escape(strip.note)}</div>' if strip.note else ""
    return f'<div class="hits" role="listitem">{query}{hits}</div>{note}'


def _hit(gallery: str, label: str, picture: str, hit_label: str, score: float) -> str:
    right = hit_label == label
    caption = f"<b>{'✓' if right else '✗'} {score:.2f}</b> {html.escape(hit_label)}"
    word = "right" if right else "wrong"
    return _tile(gallery, picture, f"{word}, {hit_label}", word, caption)


def _tile(gallery: str, picture: str, alt: str, kind: str, caption: str) -> str:
    address = "/?" + urlencode({"gallery": gallery, "ids": picture})
    return (
        f'<div class="picked"><a class="{kind}" href="{html.escape(address)}" target="_self" title="{html.escape(alt)}: search '
        f'with it"><img src="{thumbnail_url(gallery, picture)}" alt="{html.escape(alt)}" loading="lazy"><span>{caption}</span>'
        f"</a>{selection.tick(gallery, picture, alt)}</div>"
    )
