"""The left side of the search page: ways to ask, and the query."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.search import query_state
from app.search.words_fields import words_fields
from app.server import pictures, resources, store
from app.server.pictures import Preview, Upload
from app.widgets import upload
from app.widgets.literal import literal
from app.widgets.region import drawn, region
from app.widgets.results_grid import results_grid, tile
from pipeline.errors import display_name
from pipeline.gallery.gallery import Gallery
from pipeline.images.regions import parse_box
from pipeline.records import SearchHit

WAYS = ["Upload", "Paste", "Camera", "Pick"]
SHOWN = 6


def query_panel(gallery: Gallery) -> None:
    """Draw the widget of the chosen way; what comes through it is taken in a callback, before the page is drawn."""
    way = st.segmented_control(
        "Ask with", WAYS, default=WAYS[0], required=True, key="way", label_visibility="collapsed", width="stretch"
    )
    key = f"{way}{st.session_state.setdefault('turn', 0)}"  # a new key empties a widget
    if way == "Upload":
        upload.picture_field(
            "Drop pictures here",
            key=key,
            on_change=take,
            args=(key,),
            accept_multiple_files=True,
            label_visibility="collapsed",
        )
    elif way == "Paste":
        st.chat_input(
            "Paste a picture (Ctrl+V), then Enter",
            accept_file="multiple",
            file_type=upload.PICTURES,
            key=key,
            on_submit=take,
            args=(key,),
        )
    elif way == "Camera":
        st.camera_input("Take a picture", key=key, label_visibility="collapsed", on_change=take, args=(key,))
    else:
        _pick(gallery)
    words_fields(gallery)
    st.toggle("Combine with the current query", key="combine", disabled=query_state.current().empty)
    for message in st.session_state.pop("refused", []):
        st.error(literal(message))
    _show_query(gallery)


def take(key: str) -> None:
    """Make the pictures that came the query; what cannot be opened is said and leaves the query as it was."""
    gallery = resources.gallery(query_state.current().gallery)
    came, refused = upload.uploads(key, gallery, most=query_state.MAX_UPLOADS)
    if came and _combining():
        query_state.change(uploads=(*query_state.current().uploads, *came)[-query_state.MAX_UPLOADS :])
    elif came:
        query_state.change(**query_state.NOTHING | {"uploads": tuple(came)})
    st.session_state["refused"] = refused
    st.session_state["turn"] += 1


def act(key: str) -> None:
    """A click in a grid: search with a picture, ask why it is a hit, or remove it from the gallery."""
    action = st.session_state[key].get("action") or {}
    if action.get("kind") == "search":
        if _combining():
            query_state.change(ids=tuple(dict.fromkeys((*query_state.current().ids, action["id"]))))
        else:
            query_state.change(**query_state.NOTHING | {"ids": (action["id"],)})
    elif action.get("kind") == "why":
        st.session_state["why"] = action["id"]
    elif action.get("kind") == "remove":
        gallery = resources.gallery(query_state.current().gallery)
        store.remove(gallery, [action["id"]])
        st.session_state["removed"] = (gallery.name, action["id"], query_state.current())


def _combining() -> bool:
    return bool(st.session_state.get("combine")) and not query_state.current().empty


def look_up(gallery: Gallery, *, key: str) -> list[str] | None:
    """Ids of the first SHOWN pictures with the typed text in their path, or an id that begins with it; None without text."""
    label = "Id, or part of a file name"
    text = st.text_input(label, placeholder=label, label_visibility="collapsed", key=key).strip().lower()
    if not text:
        return None
    found = [i for i, path in resources.paths(gallery).items() if text in path.lower() or i.startswith(text)]
    st.caption(f"{len(found):,} found" + (f", the first {SHOWN} are shown" if len(found) > SHOWN else ""))
    return found[:SHOWN]


def _pick(gallery: Gallery) -> None:
    if (ids := look_up(gallery, key="pick")) is not None:
        paths = resources.paths(gallery)
        tiles = [tile(gallery.name, SearchHit(id=i, score=0, path=paths[i])) for i in ids]
        results_grid(tiles, key="picks", actions=("search",), on_action=lambda: act("picks"))


def _show_query(gallery: Gallery) -> None:
    """The query pictures; on each a box can be drawn, so that only a part is searched."""
    state = query_state.current()
    for picture in state.uploads:
        _show_upload(picture)
    if len(state.ids) == 1 and (preview := resources.preview(gallery, state.ids[0])):
        _show_known(gallery, state.ids[0], preview)
    else:
        _small_grid(gallery, "Query", state.ids)
    _small_grid(gallery, "More like", state.like)
    _small_grid(gallery, "Less like", state.unlike)
    if not state.empty or query_state.can_go_back():
        with st.container(horizontal=True):
            st.button("Back", icon=":material/undo:", on_click=query_state.back, disabled=not query_state.can_go_back())
            st.button("Clear", icon=":material/close:", on_click=_clear, disabled=state.empty)


def _show_upload(picture: Upload) -> None:
    key, preview = f"region-{picture.id}", pictures.preview(picture)

    def choose_part() -> None:
        _ask_with(replace(picture, box=drawn(key, preview)))

    region(preview, key=key, alt=picture.name, box=picture.box, on_change=choose_part)


def _show_known(gallery: Gallery, picture_id: str, preview: Preview) -> None:
    """A picture of the gallery; of a part its whole picture, with its box on it."""
    parent, box = resources.regions(gallery).get(picture_id, (picture_id, ""))
    name, key = display_name(resources.paths(gallery)[picture_id]), f"region-{parent}"

    def choose_part() -> None:
        """The part is no picture of the gallery, so its file is asked with as an upload is."""
        if data := resources.original(gallery, picture_id):
            _ask_with(Upload(data, drawn(key, preview), name=name), ids=())

    region(preview, key=key, alt=name, box=parse_box(box) if box else None, on_change=choose_part)


def _ask_with(chosen: Upload, **changes: tuple[str, ...]) -> None:
    """The picture with its box takes the place of the picture."""
    uploads = query_state.current().uploads
    replaced = tuple(chosen if one.id == chosen.id else one for one in uploads)
    query_state.change(uploads=replaced if chosen in replaced else (*uploads, chosen), **changes)


def _small_grid(gallery: Gallery, title: str, ids: tuple[str, ...]) -> None:
    if ids:
        st.caption(literal(title))
        key = f"query-{title}"
        tiles = [tile(gallery.name, SearchHit(id=i, score=0, path=title)) | {"label": ""} for i in ids]
        results_grid(tiles, key=key, actions=("search",), small=True, on_action=lambda: act(key))


def _clear() -> None:
    query_state.change(**query_state.NOTHING)
