"""Why a hit is similar: a dialog with the places that carry the score, and colour, texture and meaning apart."""

from __future__ import annotations

import html
import io
import json

import streamlit as st
from PIL.Image import Image

from app import COMPONENTS
from app.server import encoders, explanations
from app.widgets import downloads
from app.widgets.literal import literal
from pipeline.errors import SemblanceError
from pipeline.explain import explain as explaining
from pipeline.explain import heat_maps, matched
from pipeline.explain.explain import Explanation
from pipeline.files.html_page import data_address
from pipeline.gallery.gallery import Gallery
from pipeline.images import decoding
from pipeline.search.query import QueryPicture

_STYLE = COMPONENTS / "why_similar.css"
_SHOWN = 480  # px, the longer side of a picture here


@st.dialog("Why similar?", width="medium")
def why_similar(
    gallery: Gallery,
    query: QueryPicture | str,
    hit: str,
    *,
    titles: tuple[str, str] = ("Query", "Hit"),
    note: str = "",
    order: str = "",
) -> None:
    """query: an upload, or the id of a picture of the gallery, as `hit` is. note: a sentence above the pictures. order: the
    re-ranker of the hits; of one that compares pictures the matched places are shown too."""
    st.html(_STYLE)
    if note:
        st.caption(literal(note))
    place, below = st.empty(), st.empty()
    try:
        opened = explanations.opened(gallery, query), explanations.opened(gallery, hit)
        place.html(_pair(_addresses(*opened), ("", ""), titles))  # at once; the heat comes over it
        with below, st.spinner("Hiding one place after the other …"):
            explanation = explanations.explained(gallery, encoders.of_gallery(gallery), (query, hit), opened)
    except SemblanceError as error:
        place.empty()
        below.error(literal(error))
        return
    place.html(_pair(_addresses(*opened), _heat(explanation, opened), titles))
    below.html(_scale(explanation) + _matched(gallery, (query, hit), opened, order) + _bars(explanation))
    _downloads(gallery, explanation, opened, titles)


def _pair(plain: tuple[str, str], heat: tuple[str, str], titles: tuple[str, str]) -> str:
    """Both pictures with the heat over them; pointing at one, or giving it the focus, shows it as it is."""
    figures = ""
    for below, above, title in zip(plain, heat, titles, strict=True):
        name = html.escape(title)
        over = f'<img class="heat" src="{above}" alt="Heat map: {name}">' if above else ""
        figures += (
            f'<figure><div class="both" tabindex="0"><img src="{below}" alt="{name}">{over}</div>'
            f"<figcaption>{name}</figcaption></figure>"
        )
    return f'<div class="why-pair">{figures}</div>'


def _matched(gallery: Gallery, asked: tuple[QueryPicture | str, str], opened: tuple[Image, Image], order: str) -> str:
    if order.partition(":")[0] not in matched.matcher_names():
        return ""
    match = explanations.matched_places(gallery, encoders.of_gallery(gallery), asked, opened, order)
    if match is None:
        return ""
    source = data_address(decoding.thumbnail(matched.sheet(*opened, match), side=2 * _SHOWN))
    picture = f'<img src="{source}" alt="Matched places, joined by lines">' if len(match.query) else ""
    return (
        f'<div class="why-matched"><strong>Matched places</strong>{picture}<p class="why-note">'
        f"{matched.said(match)} How well places match decides the order, beside the score.</p></div>"
    )


def _scale(explanation: Explanation) -> str:
    if not explanation.most:
        return '<div class="why-scale">No single place carries the score: hiding any of them loses nothing.</div>'
    last = len(heat_maps.VIRIDIS) - 1
    opacities = [round(255 * (heat_maps.VEIL + heat_maps.HEAT * step / last)) for step in range(last + 1)]
    stops = ", ".join(f"{code}{a:02x}" for code, a in zip(heat_maps.VIRIDIS, opacities, strict=True))
    return (
        f'<div class="why-scale"><span>0</span>'
        f'<i style="background: linear-gradient(90deg, {stops}), {heat_maps.GREY}"></i><span>{explanation.most:.3f}</span>'
        f'<span title="how much of the score {explanation.score:.3f} is lost when this place is hidden">'
        "Brighter = matters more to the score</span></div>"
    )


def _bars(explanation: Explanation) -> str:
    made = ""
    for name in explaining.PARTS:
        tick = f'<b style="left:{_percent(explanation.usual[name])}"></b>' if name in explanation.usual else ""
        made += (
            f'<div class="why-part"><span>{heat_maps.NAMES[name]}</span><span>{heat_maps.meaning(explanation, name)}</span>'
            f'<div class="bar"><i style="width:{_percent(explanation.parts[name])}"></i>{tick}</div></div>'
        )
    tick = "The tick is what two random pictures of this gallery have. " if explanation.usual else ""
    return (
        f'{made}<p class="why-note">{tick}Meaning is the encoder\'s score, which ranks the hits; colour and texture '
        "are measured beside it and do not enter it. Point at a picture, or tap it, to see it without its heat.</p>"
    )


def _percent(cosine: float) -> str:
    return f"{100 * min(1.0, max(0.0, cosine)):.1f}%"


def _heat(explanation: Explanation, opened: tuple[Image, Image]) -> tuple[str, str]:
    maps = explanation.heat_query, explanation.heat_hit
    drawn = [
        heat_maps.overlay(picture, heat, most=explanation.most, side=_SHOWN)
        for picture, heat in zip(opened, maps, strict=True)
    ]
    return _addresses(*drawn)


def _addresses(first: Image, second: Image) -> tuple[str, str]:
    return _address(first), _address(second)


def _address(picture: Image) -> str:
    return data_address(decoding.thumbnail(picture, side=_SHOWN))


def _downloads(
    gallery: Gallery, explanation: Explanation, opened: tuple[Image, Image], titles: tuple[str, str]
) -> None:
    def as_png() -> bytes:
        buffer = io.BytesIO()
        heat_maps.sheet(*opened, explanation, titles=titles).save(buffer, "PNG")
        return buffer.getvalue()

    with st.container(horizontal=True, horizontal_alignment="right"):
        downloads.button("Picture", f"{gallery.name}-why.png", as_png)
        downloads.button("Data", f"{gallery.name}-why.json", lambda: json.dumps(explaining.as_json(explanation)))
