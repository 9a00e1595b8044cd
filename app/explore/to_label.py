"""The Explore page's section on what to label next: chosen pictures, how well they cover the gallery, and where they go."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.explore.picture_panel import search_with
from app.server import resources, store
from app.widgets import downloads, report_section, selection
from app.widgets.charts import as_csv
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile_of
from app.widgets.upload import data_of
from pipeline.analysis import to_label
from pipeline.analysis.to_label import KIND, WAYS
from pipeline.errors import SemblanceError
from pipeline.exchange import labelling
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery

AT_ONCE = 48  # pictures on one page of the grid
USUAL = 50  # pictures asked for
MAX_MB = 50  # of a tool's export
TOOLS = {
    "label_studio": ("Label Studio", "Tasks and the labels' choices; pictures are found in Label Studio's local files"),
    "cvat": ("CVAT", "Annotations for a task of these pictures, and its labels"),
    "coco": ("COCO", "Images, categories, and the labels that are there already"),
}


def to_label_section(gallery: Gallery) -> None:
    """The newest choice, and the way to another one."""
    st.subheader("What to label next", anchor=False)
    if not report_section.is_filled(gallery):
        return
    found = report_section.newest(gallery, KIND)
    if found is None:
        st.markdown(
            "**Nothing chosen yet.** Chooses as many pictures as you have time to label, so that their labels tell the most "
            "about the others. Nothing is changed."
        )
        _choose(gallery, "Choose pictures", primary=True)
        return
    try:
        name, report = found
        _show(gallery, report, reports.table(gallery, name))
    except (LookupError, TypeError, ValueError, AttributeError, SemblanceError) as error:
        st.warning(f"The newest choice cannot be drawn ({literal(error)}); it may be damaged. Choose again.")
    _choose(gallery, "Choose again", primary=False)


def _show(gallery: Gallery, report: dict[str, Any], table: pd.DataFrame) -> None:
    there = resources.table(gallery).set_index("id", drop=False)
    chosen = [picture for picture in table["id"] if picture in there.index]
    done = sum(there.at[picture, "label"] != "" for picture in chosen) if not report["everything"] else 0
    st.markdown(f"**{len(chosen):,} of {report['free']:,} pictures** that {WAYS[report['by']]}.")
    st.caption(literal(f"{to_label.said(report).capitalize()}." + (f" {done:,} have a label by now." if done else "")))
    if chosen:
        with st.container(horizontal=True):
            ids = list(chosen)
            selection.button(
                gallery.name, f"Select all {len(ids):,}", lambda: ids, key="to-label-select", type="primary"
            )
            downloads.button(
                "CSV", f"{gallery.name}-to-label.csv", lambda: as_csv(table), help="The chosen pictures, the most telling first",
                key=f"to-label-csv-{gallery.name}",
            )  # fmt: skip
            for form, (title, said) in TOOLS.items():
                downloads.button(
                    title, f"{gallery.name}-tasks.zip", lambda form=form: _tasks(gallery, ids, form), icon="assignment", help=said,
                    key=f"to-label-{form}-{gallery.name}",
                )  # fmt: skip
        _bring_back(gallery)
        st.caption("Selected pictures can be tagged, given a label and exported, all together.")
        _pictures(gallery, there.loc[chosen], report["made"])
    passing = f", of those that pass {report['where']}" if report["where"] else ""
    st.caption(literal(report_section.on_what(gallery, report, f"{report['by']}{passing}, seed {report['seed']}")))


def _tasks(gallery: Gallery, ids: list[str], form: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for ending, text in labelling.tasks(gallery, ids, form).items():
            archive.writestr(f"tasks{ending}" if ending else f"tasks.{labelling.FORMATS[form]}", text)
    return out.getvalue()


def _bring_back(gallery: Gallery) -> None:
    """What the tool exports, looked at before the labels are taken."""
    turn = st.session_state.setdefault("labels-turn", 0)
    with st.expander("Bring labels back", icon=":material/assignment_return:"):
        said = "Label Studio's JSON, CVAT for images 1.1 (.xml) or COCO's JSON"
        file = st.file_uploader(said, type=["json", "xml"], max_upload_size=MAX_MB, key=f"labels-{gallery.name}-{turn}")
        problem()
        try:
            if file:
                _look(gallery, file.name, data_of(file))
        except SemblanceError as error:
            st.error(literal(error))
        if reports.names(gallery, labelling.KIND):
            st.button(
                "Take back what was brought last", icon=":material/undo:", key="labels-undo", on_click=attempt,
                args=(lambda: store.judged(gallery, labelling.take_back(gallery)),),
            )  # fmt: skip


def _look(gallery: Gallery, name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"labels{Path(name).suffix.lower()}"
        place.write_bytes(data)
        found = labelling.answers(gallery, place)
    changed = labelling.changed(gallery, found)
    st.markdown(f"**{len(found.labels):,} labels**, {len(changed):,} of them new.")
    for why, names in (("no picture here, or several", found.unmatched), ("several labels", found.undecided)):
        if names:
            st.caption(f"{len(names):,} with {why}, such as {literal(names[0])}")

    def bring() -> None:
        labelling.bring(gallery, changed)
        store.judged(gallery, list(changed))
        st.session_state["labels-turn"] += 1

    st.button(
        f"Take {len(changed):,}",
        type="primary",
        disabled=not changed,
        on_click=attempt,
        args=(bring,),
        key="labels-take",
    )


@st.fragment
def _pictures(gallery: Gallery, table: pd.DataFrame, made: str) -> None:
    pages, key = -(-len(table) // AT_ONCE), f"to-label-page-{gallery.name}-{made}"
    page = min(st.session_state.get(key, 1), pages)
    rows = table.iloc[(page - 1) * AT_ONCE : page * AT_ONCE]
    results_grid(
        [tile_of(gallery.name, row) for row in rows.itertuples()],
        key="to-label-grid",
        actions=("search", "open", "choose"),
        of=gallery.name,
        on_action=lambda: search_with(gallery, "to-label-grid"),
    )
    if pages > 1:
        st.pagination(pages, key=key)


def _choose(gallery: Gallery, name: str, *, primary: bool) -> None:
    labels = resources.labels(gallery)
    without = gallery.count() - labels.total()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ways = [way for way in WAYS if way != "uncertain" or (len(labels) > 1 and without)]
        by = st.selectbox(
            "Pictures that", ways, format_func=lambda way: WAYS[way], width=330, key=f"to-label-by-{gallery.name}"
        )
        free = without or gallery.count()
        count = st.number_input(
            "How many",
            1,
            min(free, to_label.MAX_PICKS),
            min(USUAL, free),
            width=130,
            key=f"to-label-count-{gallery.name}",
        )
        command = ["to-label", gallery.name, "--count", str(count), "--by", by, *([] if without else ["--all"])]
        report_section.find_button(
            gallery, name, command, title="Choose pictures to label in", icon=":material/new_label:", primary=primary,
            running="Choosing …",
        )  # fmt: skip
    if not without:
        st.caption("Every picture has a label, so all of them are chosen from.")
