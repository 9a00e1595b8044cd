"""The Explore page's section on what to label next: chosen pictures, how well they cover the gallery, and where they go."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.explore.picture_panel import search_with
from app.server import resources
from app.widgets import downloads, report_section, selection
from app.widgets.charts import as_csv
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile_of
from pipeline.analysis import to_label
from pipeline.analysis.to_label import KIND, WAYS
from pipeline.errors import SemblanceError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery

AT_ONCE = 48  # pictures on one page of the grid
USUAL = 50  # pictures asked for


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
        st.caption("Selected pictures can be tagged, given a label and exported, all together.")
        _pictures(gallery, there.loc[chosen], report["made"])
    passing = f", of those that pass {report['where']}" if report["where"] else ""
    st.caption(literal(report_section.on_what(gallery, report, f"{report['by']}{passing}, seed {report['seed']}")))


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
