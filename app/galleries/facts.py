"""Facts about a gallery's pictures: bringing a table or sidecar files in, after a look, and what kind each fact is."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.server import resources
from app.server.exposure import opened
from app.widgets import downloads, states
from app.widgets.charts import as_csv
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from app.widgets.upload import data_of
from pipeline.errors import SemblanceError, display_name
from pipeline.filters import kinds as filter_kinds
from pipeline.filters.kinds import LIST
from pipeline.gallery import asked, reports
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import add_facts, facts_files, facts_matching
from pipeline.ingest.facts_files import FactsTable
from pipeline.ingest.facts_matching import Matched
from pipeline.readings import LIST_SIGNS

MAX_MB = 50  # of a file that comes by upload
SHOWN = 5  # pictures of the preview
LISTED = 200  # rows without a picture
NOTES = 20
NAMED = {kind: kind for kind in filter_kinds.KINDS} | {
    f"{LIST}{sign}": f"list, parted by {sign}" for sign in LIST_SIGNS
}
CHOICES = [NAMED[kind] for kind in NAMED if kind != LIST]
AS_IT_LOOKS = "as it looks"
DATES = {"": "as the other dates show", "dmy": "day first", "mdy": "month first"}


def facts_room(gallery: Gallery) -> None:
    _done(gallery)
    st.markdown(
        "A table with a row a picture, or what other programs keep beside pictures. Pictures are matched by path, file name or "
        "id; nothing is added before you have seen what matches."
    )
    turn = st.session_state.setdefault(f"facts-turn-{gallery.name}", 0)
    files = st.file_uploader(
        "CSV, Excel, Parquet, COCO's or another JSON; several .json or .xmp of as many pictures",
        type=[suffix.removeprefix(".") for suffix in (*facts_files.TABLES, *facts_files.SIDECARS)],
        accept_multiple_files=True, max_upload_size=MAX_MB, key=f"facts-{gallery.name}-{turn}",
    )  # fmt: skip
    place = st.text_input(
        "Or a file, or a folder of sidecars, on this machine", key=f"facts-place-{gallery.name}-{turn}"
    ).strip()
    problem()
    if files or place:
        _look(gallery, _read(gallery, files, place))
    _kinds(gallery)


def _read(gallery: Gallery, files: Sequence[Any], place: str) -> FactsTable:
    """Once for these files, however often the page is drawn. UsageError for what cannot be read."""
    key = tuple(file.file_id for file in files) or place
    kept = st.session_state.get("facts-read")
    if kept is None or kept[0] != (gallery.name, key):
        with st.spinner("Reading …"):
            kept = ((gallery.name, key), _of_uploads(files) if files else facts_files.read(opened(place)))
        st.session_state["facts-read"] = kept
        st.session_state.pop("facts-matched", None)
    table: FactsTable = kept[1]
    return table


def _of_uploads(files: Sequence[Any]) -> FactsTable:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for file in files:
            paths.append(Path(folder) / Path(display_name(file.name)).name)
            paths[-1].write_bytes(data_of(file))
        return facts_files.of_uploads(paths)


def _look(gallery: Gallery, table: FactsTable) -> None:
    """What would match, with what is chosen of it; a button adds that."""
    columns = list(table.cells.columns)
    first = table.column or _match(gallery, table).column
    with st.container(horizontal=True, vertical_alignment="bottom"):
        column = states.required(
            st.selectbox, "Pictures are named in", columns, columns.index(first), format_func=literal, width=240,
            key=f"facts-column-{gallery.name}-{len(columns)}",
        )  # fmt: skip
        dates = states.required(
            st.selectbox,
            "3/5/2024 is read",
            list(DATES),
            format_func=DATES.__getitem__,
            width=240,
            key=f"facts-dates-{gallery.name}",
        )
    chosen = FactsTable(table.cells, table.lines, column, table.notes)
    looks = _match(gallery, chosen, dates=dates)
    taken, kinds = _columns(gallery, looks, column)
    found = _match(gallery, chosen, columns=taken, dates=dates, kinds=kinds)
    _said(gallery, found, len(table.cells))
    for note in list(dict.fromkeys((*looks.notes, *found.notes)))[:NOTES]:
        st.caption(literal(note))
    _preview(gallery, found)
    pictures = len(found.values)
    st.button(
        f"Add to {pictures:,} pictures" if pictures != 1 else "Add to one picture", type="primary", icon=":material/playlist_add:",
        disabled=not (pictures and taken), key=f"facts-add-{gallery.name}", on_click=attempt, args=(_add, gallery, found),
    )  # fmt: skip


def _match(gallery: Gallery, table: FactsTable, **options: Any) -> Matched:
    """Once for the same table and choices: a page is drawn often."""
    kept: dict[Any, Matched] = st.session_state.setdefault("facts-matched", {})
    key = (*gallery.version, id(table.cells), table.column, repr(options))
    if key not in kept:
        if len(kept) > 4:
            kept.clear()
        kept[key] = facts_matching.match(gallery, table, **options)
    return kept[key]


def _columns(gallery: Gallery, found: Matched, column: str) -> tuple[list[str], dict[str, str]]:
    """Which columns are taken, and the kinds of those that were put right."""
    rows = pd.DataFrame(
        [
            {"Take": True, "Column": display_name(name), "Kind": NAMED[kind], "Cells of another kind": found.unread.get(name, (0, ""))[0]}
            for name, kind in found.kinds.items()
        ]
    )  # fmt: skip
    if rows.empty:
        st.info("This table has no column beside the one that names the pictures.")
        return [], {}
    edited = st.data_editor(
        rows, hide_index=True, width="stretch", height=min(38 + 35 * len(rows), 423), disabled=["Column", "Cells of another kind"],
        column_config={"Kind": st.column_config.SelectboxColumn(options=CHOICES, required=True)},
        key=f"facts-columns-{gallery.name}-{column}-{len(rows)}",
    )  # fmt: skip
    spelt = {said: kind for kind, said in NAMED.items()}
    taken, kinds = [], {}
    for (name, kind), take, said in zip(found.kinds.items(), edited["Take"], edited["Kind"], strict=True):
        taken += [name] if take else []
        if take and spelt.get(said, kind) != kind:
            kinds[name] = spelt[said]
    return taken, kinds


def _said(gallery: Gallery, found: Matched, rows: int) -> None:
    by = ", ".join(f"{count:,} by {what}" for what, count in found.by.most_common())
    st.markdown(f"**{found.by.total():,} of {rows:,} rows** match{f' ({by})' if by else ''}.")
    for name, (count, one) in found.unread.items():
        st.caption(
            f"{literal(name)}: {count:,} cells are no {NAMED[found.kinds[name]]}, such as {literal(one[:60])}; they stay as text."
        )
    left = [(line, named, "no picture has it") for line, named in found.unmatched]
    left += [(line, named, "several pictures have it") for line, named in found.ambiguous]
    if left:
        table = pd.DataFrame(
            [(line, display_name(named), why) for line, named, why in sorted(left)], columns=["Row", "Name", "Why"]
        )
        rows_are = "One row matches" if len(left) == 1 else f"{len(left):,} rows match"
        with st.expander(f"{rows_are} no picture, or several"):
            st.dataframe(table.head(LISTED), hide_index=True, width="stretch")
            downloads.button(
                "CSV", f"{gallery.name}-unmatched.csv", lambda: as_csv(table), key=f"facts-left-{gallery.name}"
            )


def _preview(gallery: Gallery, found: Matched) -> None:
    paths = resources.paths(gallery)
    some = [(picture, said) for picture, said in found.values.items() if said][:SHOWN]
    if some:
        table = pd.DataFrame(
            [{"Picture": display_name(paths.get(picture, picture))} | said for picture, said in some]
        ).fillna("")
        table.columns = [display_name(name) for name in table.columns]
        st.dataframe(table, hide_index=True, width="stretch")


def _add(gallery: Gallery, found: Matched) -> None:
    add_facts.add(gallery, found)
    st.session_state["facts-added"] = gallery.name, len(found.values)
    st.session_state[f"facts-turn-{gallery.name}"] += 1
    for kept in ("facts-read", "facts-matched"):
        st.session_state.pop(kept, None)


def _done(gallery: Gallery) -> None:
    of, count = st.session_state.get("facts-added", ("", 0))
    if of == gallery.name:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"{count:,} pictures have them." if count else "They have again what they had before.")
    if reports.names(gallery, add_facts.KIND):
        said = "Take back what was added last"
        st.button(
            said, icon=":material/undo:", key=f"facts-undo-{gallery.name}", on_click=attempt, args=(_undo, gallery)
        )


def _undo(gallery: Gallery) -> None:
    add_facts.undo(gallery)
    st.session_state["facts-added"] = gallery.name, 0


def _kinds(gallery: Gallery) -> None:
    """What the gallery's facts are, to put right; no picture's text changes."""
    keys, known = gallery.manifest()["metadata_keys"], asked.kinds_of(gallery)
    if not keys:
        return
    st.markdown("**The gallery's facts** and what they are: filters, sliders and calendars go by it.")
    rows = pd.DataFrame(
        {
            "Fact": [display_name(key) for key in keys],
            "Kind": [NAMED.get(known.get(key, ""), AS_IT_LOOKS) for key in keys],
        }
    )
    edited = st.data_editor(
        rows, hide_index=True, width="stretch", height=min(38 + 35 * len(rows), 423), disabled=["Fact"],
        column_config={"Kind": st.column_config.SelectboxColumn(options=[AS_IT_LOOKS, *CHOICES], required=True)},
        key=f"facts-kinds-{gallery.name}-{gallery.generation}",
    )  # fmt: skip
    spelt = {said: kind for kind, said in NAMED.items()}
    changed = {
        key: spelt.get(said, "")
        for key, said, was in zip(keys, edited["Kind"], rows["Kind"], strict=True)
        if said != was
    }
    if changed:
        try:
            asked.choose_kinds(gallery, changed)
        except SemblanceError as error:
            st.error(literal(error))
            return
        st.rerun()
