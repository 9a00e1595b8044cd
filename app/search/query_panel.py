"""The query: what is asked as a strip of chips, and the ways to ask, which fold into one row once something is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from app.search import query_state
from app.search.query_state import SearchState
from app.search.words_fields import words_fields
from app.server import pictures, resources, store
from app.server.pictures import Preview, Upload
from app.server.routes import publish, thumbnail_url
from app.widgets import component, states, upload
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile
from pipeline.errors import GalleryError, display_name
from pipeline.gallery.gallery import Gallery
from pipeline.images.decoding import MIN_SIDE
from pipeline.images.regions import Box, box_text, parse_box
from pipeline.records import SearchHit
from pipeline.search.search import Query

SHOWN = 6
MARKS_SHOWN, EVERY = 4, "*"  # more marks of a kind are one chip, which is taken away as a whole
Share = tuple[float, float, float, float]  # x, y, w, h as shares of the picture
FIELD = "ask-field"  # the container of the one upload field; what is pasted or dropped elsewhere is handed to it


def query_panel(gallery: Gallery) -> None:
    """Draw the query and the ways to ask; what comes through them is taken in a callback, before the page is drawn."""
    state = query_state.current()
    for message in st.session_state.pop("refused", []):
        st.error(literal(message))
    place = "query-start" if state.empty else "query-strip"
    with st.container(key=place, horizontal=True, vertical_alignment="center", gap="small"):
        component("query_strip")(
            data={"items": _items(gallery, state), "field": FIELD},
            key="query",
            on_off_change=_take_off,
            width="content" if state.empty else "stretch",  # what is added moves no button
        )
        _ways(gallery, state)
    words_fields(gallery)


def _ways(gallery: Gallery, state: SearchState) -> None:
    turn = st.session_state.setdefault("turn", 0)  # a new key empties a widget
    with st.container(key=FIELD, width="stretch" if state.empty else "content"):
        upload.picture_field(
            "Drop pictures here",
            key=(key := f"Upload{turn}"),
            on_change=take,
            args=(key,),
            accept_multiple_files=True,
            label_visibility="collapsed",
        )
    with st.popover("More ways", icon=":material/add_photo_alternate:"):
        if not state.empty:
            joins = "The next picture joins the query and does not replace it"
            st.toggle("Add to the query", key="combine", help=joins)
        _pick(gallery)
        if st.toggle("Use the camera", key=f"camera-on{turn}"):
            key = f"Camera{turn}"
            st.camera_input("Take a picture", key=key, label_visibility="collapsed", on_change=take, args=(key,))
    _parts(gallery, state)
    if not state.empty or query_state.can_go_back():
        st.button("Back", icon=":material/undo:", on_click=query_state.back, disabled=not query_state.can_go_back())
        st.button("Clear", icon=":material/close:", on_click=_clear, disabled=state.empty)


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
    kind, picture = states.action(key)
    if kind == "search":
        if _combining():
            query_state.change(ids=tuple(dict.fromkeys((*query_state.current().ids, picture))), region="")
        else:
            query_state.change(**query_state.NOTHING | {"ids": (picture,)})
    elif kind == "why":
        st.session_state["why"] = picture
    elif kind == "remove":
        gallery = resources.gallery(query_state.current().gallery)
        store.remove(gallery, [picture])
        st.session_state["removed"] = (gallery.name, (picture,), query_state.current())


def _combining() -> bool:
    return bool(st.session_state.get("combine")) and not query_state.current().empty


def look_up(gallery: Gallery, *, key: str) -> list[str] | None:
    """Ids of the first SHOWN pictures with the typed text in their path, or an id that begins with it; None without text."""
    label = "A picture of the gallery: part of its file name, or its id"
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


def _items(gallery: Gallery, state: SearchState) -> list[dict[str, str]]:
    """What the strip shows: pictures, words, and what is liked and disliked."""
    made: list[dict[str, str]] = []
    for picture in state.uploads:
        sign = "part" if picture.box else ""
        made.append(
            {"kind": "uploads", "value": picture.id, "src": publish(pictures.preview(picture).jpeg)}
            | _said(picture.name, sign)
        )
    paths = resources.paths(gallery)
    for kind, sign in (("ids", "part" if state.part else ""), ("like", "+"), ("unlike", "−")):
        lead, marked = {"like": "more like ", "unlike": "less like "}.get(kind, ""), getattr(state, kind)
        if lead and len(marked) > MARKS_SHOWN:
            said = "liked" if kind == "like" else "disliked"
            made.append({"kind": kind, "value": EVERY, "title": f"{len(marked)} {said}"})
            continue
        for i in marked:
            name = lead + display_name(paths.get(i, i))
            made.append({"kind": kind, "value": i, "src": thumbnail_url(gallery.name, i)} | _said(name, sign))
    made += [{"kind": "texts", "value": one, "title": one} for one in state.texts]
    return made + [{"kind": "not_texts", "value": one, "title": f"not {one}"} for one in state.not_texts]


def _said(title: str, sign: str) -> dict[str, str]:
    return {"title": title, "sign": sign}


def _take_off() -> None:
    """One chip less; without a picture or words nothing is asked."""
    if (off := states.sent("query", "off")) is None:
        return
    kind, value = states.text(states.part(off, "kind")), states.text(states.part(off, "value"))
    state = query_state.current()
    if kind in ("uploads", "ids", "like", "unlike", "texts", "not_texts"):
        left = tuple(
            one for one in getattr(state, kind) if value != EVERY and (one.id if kind == "uploads" else one) != value
        )
        query_state.change(**{kind: left} | ({"region": ""} if kind == "ids" else {}))


def _parts(gallery: Gallery, state: SearchState) -> None:
    """On each picture asked with a box can be drawn, so that only a part is searched."""
    known = state.ids[0] if len(state.ids) == 1 else ""
    preview = resources.preview(gallery, known) if known else None
    if not state.uploads and not preview:
        return
    with st.popover("Only a part", icon=":material/crop:"):
        for picture in state.uploads:
            _part_of_upload(picture)
        if preview:
            _part_of_known(gallery, known, state.part, preview)


def _part_of_upload(picture: Upload) -> None:
    key, preview = f"region-{picture.id}", pictures.preview(picture)

    def choose_part() -> None:
        chosen = replace(picture, box=drawn(key, preview))
        uploads = query_state.current().uploads
        query_state.change(uploads=tuple(chosen if one.id == chosen.id else one for one in uploads))

    region(preview, key=key, alt=picture.name, box=picture.box, on_change=choose_part)


def _part_of_known(gallery: Gallery, picture_id: str, part: str, preview: Preview) -> None:
    """A picture of the gallery; of a part its whole picture, with its box on it."""
    parent, box = resources.regions(gallery).get(picture_id, (picture_id, ""))
    name, key = display_name(resources.paths(gallery)[picture_id]), f"region-{parent}"

    def choose_part() -> None:
        chosen = drawn(key, preview)
        whole = (0, 0, preview.width, preview.height) if parent != picture_id else None
        query_state.change(region=box_text(chosen or whole) if chosen or whole else "")

    shown = part or box
    region(preview, key=key, alt=name, box=parse_box(shown) if shown else None, on_change=choose_part)


def query_of(gallery: Gallery, state: SearchState) -> Query:
    """What `search` is asked with. GalleryError where only a part is wanted of a picture whose file is gone."""
    uploads = state.uploads
    if state.part:
        data = resources.original(gallery, state.ids[0])
        if data is None:
            raise GalleryError(
                "the file of this picture is gone, so no part of it can be searched; search with the whole"
            )
        name = display_name(resources.paths(gallery)[state.ids[0]])
        uploads = (Upload(data, parse_box(state.part), name=name), *uploads)
    return state.query(uploads)


def _clear() -> None:
    query_state.change(**query_state.NOTHING)


def region(picture: Preview, *, key: str, alt: str, box: Box | None, on_change: Callable[[], None]) -> None:
    """A part chosen with pointer, finger or keys: show the picture with `box` on it; in the callback `drawn` gives what the visitor drew."""
    share = box and _to_share(box, picture)
    data = {"src": picture.source, "alt": alt, "width": picture.width, "height": picture.height, "box": share}
    component("region")(data=data, key=key, default={"box": share}, on_box_change=on_change)


def drawn(key: str, picture: Preview) -> Box | None:
    """The box in whole pixels, at least 8 × 8 and inside the picture; None for the whole."""
    share = states.sent(key, "box")
    return _to_pixels(states.numbers(share, 4), picture) if share else None


def _to_pixels(share: Sequence[float], picture: Preview) -> Box:
    x, y, w, h = (min(max(one, 0.0), 1.0) for one in share)
    left, top = round(x * picture.width), round(y * picture.height)
    width = min(max(round(w * picture.width), MIN_SIDE), picture.width)
    height = min(max(round(h * picture.height), MIN_SIDE), picture.height)
    return min(left, picture.width - width), min(top, picture.height - height), width, height


def _to_share(box: Box, picture: Preview) -> Share:
    x, y, w, h = box
    return x / picture.width, y / picture.height, w / picture.width, h / picture.height
