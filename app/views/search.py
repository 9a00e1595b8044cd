"""Search: a picture in, the nearest pictures out."""

from __future__ import annotations

import contextlib
import random

import streamlit as st

from app import ask, downloads, index, resources
from app.ask import Ask, Upload
from app.region import region, to_pixels
from app.results_grid import results_grid, tile, tiles_of
from app.start import first_steps
from pipeline import search as searching
from pipeline.errors import PictureError, SemblanceError
from pipeline.fingerprints import file_id
from pipeline.gallery import Gallery
from pipeline.images import display_name
from pipeline.records import SearchHit

PICTURES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"]


def page() -> None:
    names = resources.gallery_names()
    if not names:
        st.title("Search by picture")
        first_steps()
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.title("Search by picture")
    asked = ask.current()
    chosen = asked.gallery if asked.gallery in names else names[0]
    with right:
        name = st.selectbox(
            "Gallery",
            names,
            index=names.index(chosen),
            format_func=lambda name: resources.gallery(name).manifest()["title"],
        )
    if name != asked.gallery:
        ask.change(remember=False, gallery=name, ids=(), like=(), unlike=(), where=())
    search_area(resources.gallery(name))
    keep_in_step(name)


@st.fragment(run_every=2.0)
def keep_in_step(name: str) -> None:
    """What others commit to this gallery comes into the index without a visitor's doing."""
    with contextlib.suppress(SemblanceError):
        index.refresh(resources.gallery(name))


@st.fragment
def search_area(gallery: Gallery) -> None:
    panel, results = st.columns([1.2, 2.7], gap="large")
    with panel:
        query_panel(gallery)
    with results:
        asked = ask.current()
        option_row(gallery, asked)
        asked = ask.current()
        try:
            show_start(gallery, asked) if asked.empty else show_results(gallery, asked)
        except SemblanceError as error:
            st.error(str(error))
    ask.write_address(ask.current())


def query_panel(gallery: Gallery) -> None:
    """Ways to ask, then what is asked."""
    turn = st.session_state.setdefault("turn", 0)  # a new key empties a widget
    ways = ["Upload", "Paste", "Camera", "Pick"]
    way = st.segmented_control(
        "Ask with", ways, default="Upload", required=True, key="way", label_visibility="collapsed", width="stretch"
    )
    key = f"{way}{turn}"
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
        pick_from(gallery)
    st.toggle("Combine with the current query", key="combine", disabled=ask.current().empty)
    for message in st.session_state.pop("refused", []):
        st.error(message)
    show_query(gallery)


def pick_from(gallery: Gallery) -> None:
    """A picture of the gallery by id or by part of its file name."""
    text = st.text_input(
        "Id, or part of a file name", placeholder="Id, or part of a file name", label_visibility="collapsed"
    )
    if not (wanted := text.strip().lower()):
        return
    found = [
        (i, path) for i, path in resources.paths(gallery).items() if wanted in path.lower() or i.startswith(wanted)
    ]
    st.caption(f"{len(found):,} found" + (", the first 6 are shown" if len(found) > 6 else ""))
    tiles = [tile(gallery.name, SearchHit(id=i, score=0, path=path)) for i, path in found[:6]]
    results_grid(tiles, key="picks", actions=("search",), on_action=lambda: act("picks"))


def take(key: str) -> None:
    """Make the pictures that came the query; what cannot be opened is said and leaves the query as it was."""
    came = st.session_state[key]
    files = came if isinstance(came, list) else came.files if hasattr(came, "files") else [came] if came else []
    uploads, refused = [], []
    for file in files[: ask.MAX_UPLOADS]:
        name, data = display_name(file.name), file.getvalue()
        try:
            resources.picture(file_id(data), data)
            uploads.append(Upload(name, data))
        except PictureError as error:
            refused.append(f"{name}: {error}")
    if len(files) > ask.MAX_UPLOADS:
        refused.append(f"{len(files)} pictures came; the first {ask.MAX_UPLOADS} are used")
    if uploads and combining():
        ask.change(uploads=(*ask.current().uploads, *uploads)[-ask.MAX_UPLOADS :])
    elif uploads:
        ask.change(uploads=tuple(uploads), ids=(), like=(), unlike=())
    st.session_state["refused"] = refused
    st.session_state["turn"] += 1


def combining() -> bool:
    return bool(st.session_state.get("combine")) and not ask.current().empty


def show_query(gallery: Gallery) -> None:
    """The query pictures; on each a box can be drawn, so that only a part is searched."""
    asked = ask.current()
    for position, upload in enumerate(asked.uploads):
        box = region(
            resources.picture(upload.id, upload.data), key=f"region-{upload.id}", alt=upload.name, box=upload.box
        )
        if box != upload.box:
            uploads = list(asked.uploads)
            uploads[position] = Upload(upload.name, upload.data, box)
            asked = ask.change(uploads=tuple(uploads), remember=False)
    if len(asked.ids) == 1 and (data := resources.original(gallery, asked.ids[0])):
        name = display_name(resources.paths(gallery)[asked.ids[0]])
        if box := region(resources.picture(asked.ids[0], data), key=f"region-{asked.ids[0]}", alt=name, box=None):
            ask.change(ids=(), uploads=(*asked.uploads, Upload(name, data, box)))
    elif asked.ids:
        small_grid(gallery, "Query", asked.ids)
    small_grid(gallery, "More like", asked.like)
    small_grid(gallery, "Less like", asked.unlike)
    if not asked.empty or ask.can_go_back():
        with st.container(horizontal=True):
            st.button("Back", icon=":material/undo:", on_click=ask.back, disabled=not ask.can_go_back())
            st.button("Clear", icon=":material/close:", on_click=clear, disabled=asked.empty)


def small_grid(gallery: Gallery, title: str, ids: tuple[str, ...]) -> None:
    if ids:
        st.caption(title)
        tiles = [tile(gallery.name, SearchHit(id=i, score=0, path=title)) | {"label": ""} for i in ids]
        results_grid(
            tiles, key=f"query-{title}", actions=("search",), small=True, on_action=lambda: act(f"query-{title}")
        )


def clear() -> None:
    ask.change(uploads=(), ids=(), like=(), unlike=())


def act(key: str) -> None:
    """A click in a grid."""
    action = st.session_state[key].get("action") or {}
    if action.get("kind") == "search":
        old = ask.current()
        if combining():
            ask.change(ids=tuple(dict.fromkeys([*old.ids, action["id"]])))
        else:
            ask.change(ids=(action["id"],), uploads=(), like=(), unlike=())
    elif action.get("kind") == "remove":
        gallery = resources.gallery(ask.current().gallery)
        gallery.remove([action["id"]])
        index.judged(gallery, [action["id"]])
        st.session_state["removed"] = (gallery.name, action["id"])


def give_feedback(key: str) -> None:
    feedback = st.session_state[key].get("feedback") or {}
    ask.change(like=tuple(feedback.get("like", ())), unlike=tuple(feedback.get("unlike", ())))


def undo_removal() -> None:
    name, picture_id = st.session_state.pop("removed")
    gallery = resources.gallery(name)
    gallery.restore([picture_id])
    index.judged(gallery, [picture_id])


def option_row(gallery: Gallery, asked: Ask) -> None:
    """Filters and options; each change is one new ask."""
    fields = resources.facets(gallery)
    choices = [
        f"{name}{sign}{_escaped(value)}" for name, found in fields.items() for sign in ("=", "!=") for value in found
    ]
    choices += [clause for clause in asked.where if clause not in choices]
    first, second = st.columns([4, 1], vertical_alignment="bottom")
    where = first.multiselect(
        "Filter",
        choices,
        default=list(asked.where),
        key=f"where-{gallery.name}-{hash(asked.where)}",
        format_func=_readable,
        placeholder="Filter: type a label or any value",
        filter_mode="contains",
        select_all=False,
        label_visibility="collapsed",
    )
    with second.popover("Options", icon=":material/tune:", width="stretch"):
        k = st.select_slider("Hits", sorted({*ask.KS, asked.k}), value=asked.k)
        by_label = st.toggle("Group by label", value=asked.by_label)
        folding = st.toggle("Hide near-duplicates", value=asked.collapse > 0)
        collapse = st.slider("Near-duplicate from score", 0.80, 1.0, asked.collapse or 0.97, 0.01, disabled=not folding)
        keep_query = st.toggle("Show the query picture itself as a hit", value=asked.keep_query)
    ask.change(
        remember=False,
        where=tuple(where),
        k=k,
        by_label=by_label,
        collapse=collapse if folding else 0.0,
        keep_query=keep_query,
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,")


def _readable(clause: str) -> str:
    name, sign, value = clause.partition("!=") if "!=" in clause else clause.partition("=")
    return f"{name} {'is not' if sign == '!=' else 'is'} {value or '(empty)'}"


def show_start(gallery: Gallery, asked: Ask) -> None:
    """Nothing is asked yet: pictures of the gallery to begin with."""
    if asked.lost_upload:
        st.info(
            "This link was made for an uploaded picture, which stays with its owner. Drop it here to repeat the search."
        )
    seed = st.session_state.setdefault("examples", 0)
    known = list(resources.paths(gallery))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Drop a picture**, or begin with one of the {len(known):,} in this gallery:")
        st.button("Others", icon=":material/shuffle:", on_click=lambda: st.session_state.update(examples=seed + 1))
    chosen = random.Random(seed).sample(known, min(18, len(known)))
    tiles = [
        tile(gallery.name, SearchHit(id=i, score=0, path=f"example {n}")) | {"label": ""}
        for n, i in enumerate(chosen, 1)
    ]
    results_grid(tiles, key="examples-grid", actions=("search",), on_action=lambda: act("examples-grid"))


def show_results(gallery: Gallery, asked: Ask) -> None:
    store, note = index.searchable(gallery)
    if note:
        st.warning(note)
    encoder = resources.encoder_of(gallery) if asked.uploads else None
    pictures = [resources.picture(upload.id, upload.data) for upload in asked.uploads]
    query = searching.Query(
        tuple(
            searching.QueryPicture(upload.data, to_pixels(upload.box, picture) if upload.box else None)
            for upload, picture in zip(asked.uploads, pictures, strict=True)
        ),
        asked.ids,
        asked.like,
        asked.unlike,
    )
    with resources.encode_lock():
        result = searching.search(
            gallery,
            store,
            encoder,
            query,
            k=asked.k,
            where=asked.filter(),
            collapse=asked.collapse or None,
            exclude_query=not asked.keep_query,
        )
    if removed := st.session_state.get("removed"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("One picture removed from the gallery.")
            st.button("Undo", icon=":material/undo:", on_click=undo_removal, key=f"undo-{removed[1]}")
    if not result.hits:
        st.info("No picture of this gallery passes the filter. Take a filter away to see more.")
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        parts = [f"{name} {result.milliseconds[name]:.0f} ms" for name in ("open", "encode", "search")]
        st.caption(f"{len(result.hits)} nearest · {' · '.join(parts)}")
        downloads.result_buttons(gallery, query, result)
    results_grid(
        tiles_of(gallery.name, result, by_label=asked.by_label),
        key="hits",
        like=asked.like,
        unlike=asked.unlike,
        on_action=lambda: act("hits"),
        on_feedback=lambda: give_feedback("hits"),
    )


page()
