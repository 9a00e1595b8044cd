"""Where one of the pictures comes from: dropped here, or picked from the gallery; then it is shown in the same place."""

from __future__ import annotations

import html
import random

import streamlit as st

from app import COMPONENTS
from app.pairs import pair_query
from app.search.query_panel import SHOWN, look_up
from app.server import pictures, resources
from app.server.pictures import Upload
from app.server.routes import thumbnail_url
from app.widgets import states, upload
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile
from pipeline.errors import display_name
from pipeline.gallery.gallery import Gallery
from pipeline.records import SearchHit

CSS = COMPONENTS / "pairs.css"
N_EXAMPLES = 12


def slot(gallery: Gallery, which: str, title: str) -> None:
    """Changes the ask in a callback, before the page is drawn."""
    picture = getattr(pair_query.current(), which)
    if picture:
        st.html(figure(*shown(gallery, picture), title))
        st.button(
            "Another picture", icon=":material/swap_horiz:", key=f"pair-drop-{which}", width="stretch",
            on_click=lambda: pair_query.change(**{which: ""}),
        )  # fmt: skip
        return
    # a new key empties the widget; the other's stays, so that what is dropped there meanwhile is not lost
    key = f"pair-{which}-{st.session_state.setdefault(f'pair-upload-{which}', 0)}"
    upload.picture_field(title, key=key, on_change=take, args=(gallery, key, which))
    for message in st.session_state.pop(f"pair-refused-{which}", []):
        st.error(literal(message))
    with st.popover("From the gallery", icon=":material/photo_library:", width="stretch"):
        _pick(gallery, which)


def take(gallery: Gallery, key: str, which: str) -> None:
    """The upload takes its place; what cannot be opened is said and changes nothing."""
    accepted, st.session_state[f"pair-refused-{which}"] = upload.uploads(key, gallery)
    if accepted:
        pair_query.change(**{which: accepted[0]})
    st.session_state[f"pair-upload-{which}"] += 1


def examples(gallery: Gallery, which: str) -> None:
    """Pictures of the gallery to begin with."""
    ids = list(resources.paths(gallery))
    chosen = random.Random(0).sample(ids, min(N_EXAMPLES, len(ids)))
    _grid(gallery, f"pair-examples-{which}", chosen, which)


def figure(source: str, name: str, title: str) -> str:
    """One picture with its name, as markup; texts are escaped."""
    text = html.escape(f"{title}: {name}" if title else name)
    image = f'<img src="{source}" alt="{text}">' if source else f'<div class="gone">{text} is not in this gallery</div>'
    return f'<figure class="pair-picture">{image}<figcaption title="{text}">{text}</figcaption></figure>'


def shown(gallery: Gallery, picture: str | Upload) -> tuple[str, str]:
    """An address of the picture, "" when the gallery lacks it, and its name."""
    if isinstance(picture, str):
        path = resources.paths(gallery).get(picture, "")
        return thumbnail_url(gallery.name, picture) if path else "", display_name(path or picture)
    return pictures.preview(picture).source, picture.name


def _pick(gallery: Gallery, which: str) -> None:
    ids = look_up(gallery, key=f"pair-pick-{which}")
    if ids is None:
        known = list(resources.paths(gallery))
        ids = random.Random(which).sample(known, min(SHOWN, len(known)))
    _grid(gallery, f"pair-picks-{which}", ids, which)


def _grid(gallery: Gallery, key: str, ids: list[str], which: str) -> None:
    def chosen() -> None:
        _, picture = states.action(key)
        if picture:
            pair_query.change(**{which: picture})

    paths = resources.paths(gallery)
    tiles = [tile(gallery.name, SearchHit(id=i, score=0, path=paths[i])) | {"label": ""} for i in ids]
    results_grid(tiles, key=key, actions=("search",), small=True, on_action=chosen)
