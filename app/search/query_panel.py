"""The left side of the search page: ways to ask, and what is asked."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.search import query_state
from app.search.query_state import Upload
from app.search.words_fields import words_fields
from app.server import resources, store
from app.widgets.region import region, to_share
from app.widgets.results_grid import results_grid, tile
from pipeline.errors import PictureError
from pipeline.fingerprints import file_id
from pipeline.gallery.gallery import Gallery
from pipeline.images.display_names import display_name
from pipeline.images.regions import parse_box
from pipeline.records import SearchHit

PICTURES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"]
WAYS = ["Upload", "Paste", "Camera", "Pick"]
SHOWN = 6


def query_panel(gallery: Gallery) -> None:
    """Draw the widget of the chosen way; what comes through it is taken in a callback, before the page is drawn."""
    way = st.segmented_control(
        "Ask with", WAYS, default=WAYS[0], required=True, key="way", label_visibility="collapsed", width="stretch"
    )
    key = f"{way}{st.session_state.setdefault('turn', 0)}"  # a new key empties a widget
    if way == "Upload":
        st.file_uploader(
            "Drop pictures here",
            type=PICTURES,
            accept_multiple_files=True,
            key=key,
            max_upload_size=20,
            label_visibility="collapsed",
            on_change=take,
            args=(key,),
        )
    elif way == "Paste":
        st.chat_input(
            "Paste a picture (Ctrl+V), then Enter",
            accept_file="multiple",
            file_type=PICTURES,
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
        st.error(message)
    _show_query(gallery)


def take(key: str) -> None:
    """Make the pictures that came the query; what cannot be opened is said and leaves the query as it was."""
    came = st.session_state[key]
    came = came if isinstance(came, list) else came.files if hasattr(came, "files") else [came] if came else []
    files = [file for file in came if isinstance(file, UploadedFile)]  # a second run may ask for what the first let go
    uploads, refused = [], []
    for file in files[: query_state.MAX_UPLOADS]:
        name, data = display_name(file.name), file.getvalue()
        try:
            resources.picture(file_id(data), data)
            uploads.append(Upload(name, data))
        except PictureError as error:
            refused.append(f"{name}: {error}")
    _let_go(files)
    if len(files) > query_state.MAX_UPLOADS:
        refused.append(f"{len(files)} pictures came; the first {query_state.MAX_UPLOADS} are used")
    if uploads and _combining():
        query_state.change(uploads=(*query_state.current().uploads, *uploads)[-query_state.MAX_UPLOADS :])
    elif uploads:
        query_state.change(**query_state.NOTHING | {"uploads": tuple(uploads)})
    st.session_state["refused"] = refused
    st.session_state["turn"] += 1


def _let_go(files: Sequence[UploadedFile]) -> None:
    """Streamlit would hold every file until its session ends, beside the ask, which has what it needs."""
    if context := get_script_run_ctx():
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


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
        gallery.remove([action["id"]])
        store.judged(gallery, [action["id"]])
        st.session_state["removed"] = (gallery.name, action["id"], query_state.current())


def _combining() -> bool:
    return bool(st.session_state.get("combine")) and not query_state.current().empty


def _pick(gallery: Gallery) -> None:
    """A picture of the gallery by id or by part of its file name."""
    said = "Id, or part of a file name"
    if not (wanted := st.text_input(said, placeholder=said, label_visibility="collapsed").strip().lower()):
        return
    paths = resources.paths(gallery).items()
    found = [(i, path) for i, path in paths if wanted in path.lower() or i.startswith(wanted)]
    st.caption(f"{len(found):,} found" + (f", the first {SHOWN} are shown" if len(found) > SHOWN else ""))
    tiles = [tile(gallery.name, SearchHit(id=i, score=0, path=path)) for i, path in found[:SHOWN]]
    results_grid(tiles, key="picks", actions=("search",), on_action=lambda: act("picks"))


def _show_query(gallery: Gallery) -> None:
    """The query pictures; on each a box can be drawn, so that only a part is searched."""
    asked = query_state.current()
    for upload in asked.uploads:
        _show_upload(upload)
    if len(asked.ids) == 1 and (data := resources.original(gallery, asked.ids[0])):
        [picture_id] = asked.ids
        upload = Upload(display_name(resources.paths(gallery)[picture_id]), data)
        if box := resources.regions(gallery).get(picture_id, ("", ""))[1]:  # its whole picture is shown, with its box
            opened = resources.picture(upload.id, data)
            upload = Upload(upload.name, data, to_share(parse_box(box), opened))
        _show_upload(upload, asked_by=picture_id)
    else:
        _small_grid(gallery, "Query", asked.ids)
    _small_grid(gallery, "More like", asked.like)
    _small_grid(gallery, "Less like", asked.unlike)
    if not asked.empty or query_state.can_go_back():
        with st.container(horizontal=True):
            st.button("Back", icon=":material/undo:", on_click=query_state.back, disabled=not query_state.can_go_back())
            st.button("Clear", icon=":material/close:", on_click=_clear, disabled=asked.empty)


def _show_upload(upload: Upload, *, asked_by: str = "") -> None:
    """asked_by: the id of the gallery's picture that was asked with."""
    key = f"region-{upload.id}"
    opened = resources.picture(upload.id, upload.data)
    region(opened, key=key, alt=upload.name, box=upload.box, on_change=lambda: _choose_part(upload, key, asked_by))


def _choose_part(upload: Upload, key: str, asked_by: str) -> None:
    """A box was drawn, or taken away: the picture with its box takes the place of the picture."""
    box = st.session_state[key].get("box")
    chosen = Upload(upload.name, upload.data, tuple(box) if box else None)
    old = query_state.current()
    kept = [chosen if known.id == upload.id else known for known in old.uploads]
    if chosen not in kept:  # it was asked for by id
        kept.append(chosen)
    query_state.change(uploads=tuple(kept), ids=tuple(i for i in old.ids if i != asked_by))


def _small_grid(gallery: Gallery, title: str, ids: tuple[str, ...]) -> None:
    if ids:
        st.caption(title)
        key = f"query-{title}"
        tiles = [tile(gallery.name, SearchHit(id=i, score=0, path=title)) | {"label": ""} for i in ids]
        results_grid(tiles, key=key, actions=("search",), small=True, on_action=lambda: act(key))


def _clear() -> None:
    query_state.change(**query_state.NOTHING)
