"""Why a hit is similar: a dialog with the places that carry the score, and colour, texture and meaning apart."""

from __future__ import annotations

import base64
import html
import io
import json

import streamlit as st
from PIL.Image import Image

from app import COMPONENTS
from app.server import encoders, resources
from pipeline.errors import GalleryError, SemblanceError
from pipeline.explain import explain as explaining
from pipeline.explain import heat_maps
from pipeline.explain.explain import Explanation
from pipeline.fingerprints import file_id
from pipeline.gallery.gallery import Gallery
from pipeline.images import decoding, opening
from pipeline.search.search import QueryPicture

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
) -> None:
    """query: an upload, or the id of a picture of the gallery, as `hit` is. note: a sentence above the pictures."""
    st.html(_STYLE)
    if note:
        st.caption(note)
    place, said = st.empty(), st.empty()
    try:
        pictures = _opened(gallery, query), _opened(gallery, hit)
        place.html(_pair(_addresses(*pictures), ("", ""), titles))  # at once; the heat comes over it
        with said, st.spinner("Hiding one place after the other …"):
            found = _explained(
                str(gallery.root),
                gallery.generation,
                gallery.encoder()["fingerprint"],
                (_name(query), hit),
                gallery,
                pictures,
            )
    except SemblanceError as error:
        place.empty()
        said.error(str(error))
        return
    place.html(_pair(_addresses(*pictures), _heat(found, pictures), titles))
    said.html(_scale(found) + _bars(found))
    _downloads(gallery, found, pictures, titles)


@st.cache_data(max_entries=64, show_spinner=False)
def _explained(
    root: str,
    generation: int,
    fingerprint: str,
    names: tuple[str, str],
    _gallery: Gallery,
    _pictures: tuple[Image, Image],
) -> Explanation:
    """Keyed by the pictures' bytes and the encoder, and by what the gallery holds, which its calibration depends on."""
    calibrations = _calibrations(root, generation, fingerprint, _gallery)
    return explaining.explain(encoders.of_gallery(_gallery), *_pictures, calibrations=calibrations)


@st.cache_data(max_entries=8, show_spinner=False)
def _calibrations(root: str, generation: int, fingerprint: str, _gallery: Gallery) -> dict[str, list[float]]:
    return explaining.calibrations_of(_gallery)


def _name(query: QueryPicture | str) -> str:
    return query if isinstance(query, str) else f"{file_id(query.data)}#{query.box or ''}"


def _opened(gallery: Gallery, query: QueryPicture | str) -> Image:
    if isinstance(query, str):
        data = resources.shown(gallery, query)
        if data is None:
            raise GalleryError(
                "The file of one of these pictures is gone or was changed, so its places cannot be hidden. "
                "Put it back where it was, then ask again."
            )
        return opening.open_image(data).image
    if query.box is None:
        return opening.open_image(query.data).image
    return decoding.crop(opening.open_image(query.data, full=True), query.box)


def _pair(plain: tuple[str, str], heat: tuple[str, str], titles: tuple[str, str]) -> str:
    """Both pictures with the heat over them; pointing at one, or giving it the focus, shows it as it is."""
    figures = ""
    for below, above, title in zip(plain, heat, titles, strict=True):
        said = html.escape(title)
        over = f'<img class="heat" src="{above}" alt="Heat map: {said}">' if above else ""
        figures += (
            f'<figure><div class="both" tabindex="0"><img src="{below}" alt="{said}">{over}</div>'
            f"<figcaption>{said}</figcaption></figure>"
        )
    return f'<div class="why-pair">{figures}</div>'


def _scale(found: Explanation) -> str:
    if not found.most:
        return '<div class="why-scale">No single place carries the score: hiding any of them loses nothing.</div>'
    last = len(heat_maps.VIRIDIS) - 1
    opacities = [round(255 * (heat_maps.VEIL + heat_maps.HEAT * step / last)) for step in range(last + 1)]
    stops = ", ".join(f"{code}{a:02x}" for code, a in zip(heat_maps.VIRIDIS, opacities, strict=True))
    return (
        f'<div class="why-scale"><span>0</span>'
        f'<i style="background: linear-gradient(90deg, {stops}), {heat_maps.GREY}"></i><span>{found.most:.3f}</span>'
        f"<span>of the score {found.score:.3f} is lost when this place is hidden</span></div>"
    )


def _bars(found: Explanation) -> str:
    made = ""
    for name in explaining.PARTS:
        tick = f'<b style="left:{_percent(found.usual[name])}"></b>' if name in found.usual else ""
        made += (
            f'<div class="why-part"><span>{heat_maps.NAMES[name]}</span><span>{heat_maps.meaning(found, name)}</span>'
            f'<div class="bar"><i style="width:{_percent(found.parts[name])}"></i>{tick}</div></div>'
        )
    tick = "The tick is what two random pictures of this gallery have. " if found.usual else ""
    return (
        f'{made}<p class="why-note">{tick}Meaning is the encoder\'s score, which ranks the hits; colour and texture '
        "are measured beside it and do not enter it. Point at a picture, or tap it, to see it without its heat.</p>"
    )


def _percent(cosine: float) -> str:
    return f"{100 * min(1.0, max(0.0, cosine)):.1f}%"


def _heat(found: Explanation, pictures: tuple[Image, Image]) -> tuple[str, str]:
    maps = found.heat_query, found.heat_hit
    drawn = [
        heat_maps.overlay(picture, heat, most=found.most, side=_SHOWN)
        for picture, heat in zip(pictures, maps, strict=True)
    ]
    return _addresses(*drawn)


def _addresses(*pictures: Image) -> tuple[str, str]:
    """Data addresses of two pictures: small JPEGs made from pixels, so nothing of EXIF travels."""
    made = []
    for picture in pictures:
        small = picture.copy()
        small.thumbnail((_SHOWN, _SHOWN))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=88)
        made.append("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
    first, second = made
    return first, second


def _downloads(gallery: Gallery, found: Explanation, pictures: tuple[Image, Image], titles: tuple[str, str]) -> None:
    def as_png() -> bytes:
        buffer = io.BytesIO()
        heat_maps.sheet(*pictures, found, titles=titles).save(buffer, "PNG")
        return buffer.getvalue()

    with st.container(horizontal=True, horizontal_alignment="right"):
        st.download_button(
            "Picture",
            data=as_png,
            file_name=f"{gallery.name}-why.png",
            mime="image/png",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Data",
            data=lambda: json.dumps(explaining.as_json(found)),
            file_name=f"{gallery.name}-why.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
