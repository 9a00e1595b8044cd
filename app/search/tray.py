"""What can be done with the pictures that are ticked, on whichever page: a tray at its foot, with the way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app import VIEWS
from app.search import query_state
from app.server import quotas, resources, store
from app.widgets import component, downloads, saved_views, selection, states
from app.widgets.charts import as_csv
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile_of
from pipeline.exchange.subset import subset
from pipeline.gallery import opening as galleries
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import MAX_SELECTED
from pipeline.settings import Settings

MOST = 64  # pictures that are asked with together, spread over more: an address holds no more, and their mean says the same
PAGE = 48
SEARCH = VIEWS / "search.py"


@dataclass(frozen=True)
class Undo:
    """What was done last with a selection, and how it is taken back."""

    gallery: str
    said: str
    act: Callable[[], object]


@st.fragment
def tray(gallery: Gallery, page: str = "") -> None:
    """page: the one it stands on, where that is among saved_views.PAGES."""
    if st.session_state.pop("tray-search", False):
        if page != "search":
            st.switch_page(SEARCH, query_params=query_state.current().address())
        st.rerun(scope="app")
    if st.session_state.pop("tray-changed", False):
        st.rerun(scope="app")
    st.session_state["tray-page"] = page
    selection.linked(gallery.name)
    key = f"tray-{gallery.name}"
    with st.container(key="tray", gap="small"):
        _undo_line(gallery)
        component("tray", ("selection.js", "tray.js"))(
            data={"of": gallery.name, "base": f"/{st.get_option('server.baseUrlPath').strip('/')}/".replace("//", "/")},
            key=key,
            on_does_change=lambda: _does(gallery, key),
        )
    problem()
    wanted, ids = st.session_state.pop("tray-dialog", ("", []))
    if wanted:
        DIALOGS[wanted](gallery, ids)


def _does(gallery: Gallery, key: str) -> None:
    """For a callback: a button of the tray. Pictures that have left the gallery meanwhile are passed over."""
    if (does := states.sent(key, "does")) is None:
        return
    kind, there = states.text(states.part(does, "kind")), resources.paths(gallery)
    ids = [one for one in states.texts(states.part(does, "ids")) if one in there]
    if not ids:
        st.session_state["problem"] = "None of the selected pictures is in this gallery any more."
    elif kind == "search":
        query_state.change(
            **query_state.NOTHING | {"gallery": gallery.name, "ids": tuple(ids[:: -(-len(ids) // MOST)])}
        )
        st.session_state["tray-search"] = True
    elif kind == "remove":
        if attempt(store.remove, gallery, ids):
            _done(gallery, f"{_count(ids)} removed from the gallery.", lambda: store.restore(gallery, ids))
    else:
        st.session_state["tray-dialog"] = (states.one_of(kind, DIALOGS), ids)


def _done(gallery: Gallery, said: str, undo: Callable[[], object]) -> None:
    st.session_state["undo"] = Undo(gallery.name, said, undo)
    st.session_state["tray-changed"] = True


def _count(ids: list[str]) -> str:
    return "One picture" if len(ids) == 1 else f"{len(ids):,} pictures"


def _undo_line(gallery: Gallery) -> None:
    """Until something else is done or it is put away."""
    undo: Undo | None = st.session_state.get("undo")
    if undo is None or undo.gallery != gallery.name:
        return
    with st.container(key="undo-line", horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.markdown(literal(undo.said), width="content")
        st.button("Undo", icon=":material/undo:", on_click=_take_back, args=(undo,), key="tray-undo")
        hide = "Put this line away"
        st.button("", icon=":material/close:", type="tertiary", on_click=_put_away, key="tray-undo-hide", help=hide)


def _take_back(undo: Undo) -> None:
    if attempt(undo.act):
        _put_away()
        st.session_state["tray-changed"] = True


def _put_away() -> None:
    del st.session_state["undo"]


@st.dialog("Selected pictures", width="large")
def _show(gallery: Gallery, ids: list[str]) -> None:
    table = gallery.table().set_index("id", drop=False).reindex(ids).dropna(subset=["id"])
    pages = -(-len(table) // PAGE)
    page = st.pagination(pages, key=f"selected-page-{pages}") if pages > 1 else 1
    tiles = [tile_of(gallery.name, row) for row in table.iloc[(page - 1) * PAGE : page * PAGE].itertuples()]
    results_grid(tiles, key="selected", side=104, actions=("open", "choose"), of=gallery.name)


@st.dialog("Tag the selection", width="medium")
def _tag(gallery: Gallery, ids: list[str]) -> None:
    st.markdown(f"**{_count(ids)}**")
    _tagging(gallery, ids, key="tray")


@st.dialog("Relabel the selection", width="medium")
def _relabel(gallery: Gallery, ids: list[str]) -> None:
    if st.session_state.pop("tray-changed", False):
        st.rerun()  # which closes the dialog
    table = gallery.table()
    now = Counter(table.loc[table["id"].isin(ids), "label"])
    labels = ", ".join(f"{label or 'no label'} {count:,}" for label, count in now.most_common(6))
    st.markdown(f"**{_count(ids)}**, labelled {literal(labels)}{' …' if len(now) > 6 else ''}")
    known = [label for label in table["label"].value_counts().index if label]
    label = st.selectbox(
        "New label", known, index=None, accept_new_options=True, placeholder="Choose a label or type a new one"
    )
    st.caption("It holds in search, figures, exports and fine-tuning. Files are left alone, and it can be undone.")
    label = (label or "").strip()
    args = (gallery, ids, label)
    st.button("Relabel", type="primary", disabled=not label, on_click=_give_label, args=args, key="tray-relabel")
    problem()


def _give_label(gallery: Gallery, ids: list[str], label: str) -> None:
    changed: list[dict[str, str | None]] = []
    if attempt(lambda: changed.append(store.relabel(gallery, dict.fromkeys(ids, label)))):
        _done(gallery, f"{_count(ids)} labelled {label}.", lambda: store.relabel(gallery, changed[0]))


@st.dialog("Export the selection", width="medium")
def _export(gallery: Gallery, ids: list[str]) -> None:
    table = gallery.table()
    table = table[table["id"].isin(ids)].reset_index(drop=True)
    st.markdown(f"**{_count(ids)}**")
    with st.container(horizontal=True):
        downloads.button("CSV", f"{gallery.name}-selection.csv", lambda: as_csv(downloads.flat(table)))
        files = "The pictures' files, in folders by label"
        downloads.button(
            "Zip",
            f"{gallery.name}-selection.zip",
            lambda: downloads.as_zip(gallery, table),
            icon="folder_zip",
            help=files,
        )


@st.dialog("Save a view with the selection", width="medium")
def _view(gallery: Gallery, ids: list[str]) -> None:
    if len(ids) > MAX_SELECTED:
        st.info(f"A view holds {MAX_SELECTED:,} selected pictures at most; give these a tag and filter by it.")
        return
    st.markdown(f"**{_count(ids)}**{' and what the page shows' if st.session_state['tray-page'] else ''}.")
    saved_views.save_field(gallery, st.session_state["tray-page"], ids=ids)


@st.dialog("A gallery of the selection", width="medium")
def _new_gallery(gallery: Gallery, ids: list[str]) -> None:
    if made := st.session_state.pop("tray-made", ""):
        st.success(literal(f"{resources.gallery(made).manifest()['title']} holds {_count(ids).lower()}."))
        st.page_link(SEARCH, label="Open it", icon=":material/arrow_forward:", query_params={"gallery": made})
        return
    st.markdown(
        f"**{_count(ids)}** with their labels and tags; nothing is encoded anew, and {literal(gallery.name)} stays."
    )
    title = st.text_input("Title", placeholder="Shoes to check", key="tray-title", max_chars=80).strip()
    args = (gallery, ids, title)
    st.button("Make gallery", type="primary", disabled=not title, on_click=_make, args=args, key="tray-make")
    problem()


def _make(gallery: Gallery, ids: list[str], title: str) -> None:
    settings = Settings()

    def make() -> None:
        name = galleries.free_name(title, settings)
        with quotas.kept(settings.galleries / name, 20_000 * len(ids)):
            made = subset(gallery, name, ids, settings, title=title)
        store.refresh(made)
        st.session_state["tray-made"] = name

    attempt(make)


DIALOGS = {"show": _show, "tag": _tag, "relabel": _relabel, "export": _export, "view": _view, "gallery": _new_gallery}


def _tagging(gallery: Gallery, ids: list[str], *, key: str) -> None:
    """A field for a tag of all these pictures, and a button for each tag that some of them have."""
    name = st.text_input("Tag for the selection", placeholder="to check", key=f"{key}-tag", max_chars=tags.LONGEST)
    st.button("Save", type="primary", disabled=not name.strip(), on_click=_tag, args=(gallery, ids, name, True, key))
    for one, held in tags.tags(gallery).items():
        if inside := held.intersection(ids):
            st.button(
                f"Take “{literal(one)}” from {len(inside):,}",
                on_click=_tag,
                args=(gallery, sorted(inside), one, False, key),
                key=f"{key}-untag-{one}",
            )
    if said := st.session_state.pop(f"{key}-tagged", ""):
        st.success(literal(said))


def _tag(gallery: Gallery, ids: list[str], name: str, given: bool, key: str) -> None:
    def tag() -> None:
        kept = tags.tag(gallery, ids, name, given=given)
        have = "have" if given else "have no longer"
        st.session_state[f"{key}-tagged"] = f"{len(ids):,} {have} the tag “{kept}”."

    attempt(tag)
