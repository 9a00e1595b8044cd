"""Galleries: what there is, making new ones, and looking after them."""

from __future__ import annotations

import streamlit as st

from app.galleries.care import care, had_former_default, offer_default
from app.galleries.new import new_gallery
from app.server import resources, store
from app.server.routes import thumbnail_url
from app.widgets.job_list import filling, job_list
from app.widgets.literal import literal
from app.widgets.page import guarded, title_row
from pipeline.errors import SemblanceError
from pipeline.gallery import opening as galleries
from pipeline.gallery.gallery import Gallery
from pipeline.records import GalleryInfo
from pipeline.settings import Settings

STRIP = 14


def page() -> None:
    names = galleries.names(Settings())
    row = title_row("Galleries")
    wanted = st.session_state.pop("wanted", "")
    if row.button("New gallery", icon=":material/add:", type="primary") or wanted:
        st.session_state["making"] = wanted or "folder"
    for message in st.session_state.pop("refused_uploads", []):
        st.warning(literal(message))
    working = job_list(ended=1)
    if "making" in st.session_state or not (names or working):
        new_gallery(st.session_state.get("making", "demo"))
    for name in names:
        try:
            overview(resources.gallery(name))
        except SemblanceError as error:
            st.error(literal(error))


def overview(gallery: Gallery) -> None:
    """One gallery: a strip of its pictures, counts, and what can be done with it."""
    info = gallery.info()
    with st.container(border=True, key=f"card-{info.name}"):
        head, search, manage = st.columns([4, 1, 1], vertical_alignment="center")
        head.subheader(literal(info.title), anchor=False)
        if info.rows:
            search.page_link(
                "views/search.py", label="Search", icon=":material/image_search:", query_params={"gallery": info.name}
            )
        open_now = st.session_state.get("managed") == info.name
        if manage.button("Close" if open_now else "Manage", key=f"manage-{info.name}", width="stretch"):
            st.session_state["managed"] = "" if open_now else info.name
            st.rerun()
        filled = filling(info.name)
        st.fragment(_contents, run_every=2.0 if filled else None)(gallery, filled=filled)
        if had_former_default(gallery):
            offer_default(gallery)
        if open_now:
            care(gallery, info)


def _contents(gallery: Gallery, *, filled: bool) -> None:
    """Some pictures, counts and the index; drawn anew while an ingest goes on."""
    info = gallery.info()
    strip(gallery)
    if filled and not info.rows:
        st.markdown("**Being filled.** The first pictures come in a moment; they can be searched while more are added.")
        return
    facts = [f"**{info.rows:,}** pictures{' so far' if filled else ''}", literal(info.encoder or "no encoder yet")]
    facts += [f"{info.dim} dimensions", *(f"{count:,} {word}" for count, word in counted(info) if count)]
    st.markdown(" · ".join(facts))
    st.caption("Being filled; it can be searched meanwhile." if filled else literal(health(gallery)))


def counted(info: GalleryInfo) -> list[tuple[int, str]]:
    return [
        (info.gone, "gone from the disk"),
        (info.removed, "removed"),
        (info.merged, "merged (same bytes)"),
        (info.rejected, "rejected"),
    ]


def strip(gallery: Gallery) -> None:
    known = list(resources.paths(gallery)) if gallery.current else []
    shown = known[:: max(1, len(known) // STRIP)][:STRIP]
    if shown:
        pictures = "".join(f'<img src="{thumbnail_url(gallery.name, picture)}" alt="">' for picture in shown)
        st.html(f'<div class="strip" role="img" aria-label="some of its pictures">{pictures}</div>')


def health(gallery: Gallery) -> str:
    """Where the index stands, in a sentence."""
    if not gallery.current:
        return "Nothing ingested yet."
    try:
        running = store.refresh(gallery)
        if not running.done():
            return "The index is being brought up to date."
        if error := running.exception():
            return f"The index is not in order: {error}"
        facts = store.store().describe(gallery.collection())
    except SemblanceError as error:
        return f"Milvus cannot be used: {error}"
    return f"Ready to search: {facts['rows']:,} rows, {facts['index']} index on {facts['backend']}."


guarded(page)
