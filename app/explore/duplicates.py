"""The Explore page's section on duplicates: groups with the best copy marked, what to do with each, leaks and conflicts."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.explore import duplicate_list
from app.widgets import downloads, report_section
from app.widgets.charts import as_csv, chart, finished
from app.widgets.literal import literal
from pipeline.duplicates.find import KIND
from pipeline.duplicates.pairs import HASH_BITS
from pipeline.gallery.gallery import Gallery

KINDS = {"same": ("#0072b2", "solid"), "nearest": ("#e69f00", "dash"), "random": ("#8a8f94", "dot")}
SAID = {"same": "same picture", "nearest": "neighbours, two pictures", "random": "random pairs"}
FIELDS = {"leakage": ("splits", "Leakage between splits"), "label_conflicts": ("labels", "Label conflicts")}
MEMBER = ("id", "path", "label", "split", "width", "height", "bytes", "score")


def duplicates_section(gallery: Gallery) -> None:
    """The newest report; a group keeps its place when it is dealt with, and offers the way back there."""
    st.subheader("Duplicates", anchor=False)
    if not report_section.is_filled(gallery):
        return
    found = report_section.newest(gallery, KIND)
    if found is None:
        st.markdown(
            "**Not looked for yet.** Finds files with the same bytes, one picture saved more than once (re-encoded, "
            "resized, slightly cropped, framed) and lookalikes. It proposes the best copy of each and removes nothing."
        )
        _find(gallery, "Find duplicates", primary=True)
        return
    try:
        _show(gallery, found[1])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        st.warning(
            f"The newest report on duplicates cannot be drawn ({literal(repr(error))}); it may be damaged. Find them again."
        )
        _find(gallery, "Find again", primary=False)


def _show(gallery: Gallery, report: dict[str, Any]) -> None:
    groups = report["groups"]
    table = members_table(groups)  # first: what is damaged shows here, and a fragment's error cannot be caught
    counts = {tier: sum(group["tier"] == tier for group in groups) for tier in report["tiers"]}
    if not groups:
        st.success(f"No duplicates among {report['rows']:,} pictures ({', '.join(counts)}).")
    else:
        duplicate_list.groups_list(gallery, groups, counts)
    _across(gallery, report)
    if "hamming" in report:
        _histograms(gallery, report["hamming"])
    st.caption(literal(_on_what(gallery, report)))
    with st.container(horizontal=True):
        _find(gallery, "Find again", primary=False)
        downloads.button(
            "CSV",
            f"{gallery.name}-duplicates.csv",
            lambda: as_csv(table),
            help="Every member of every group",
            disabled=table.empty,
            key=f"duplicates-csv-{gallery.name}",
        )


def _on_what(gallery: Gallery, report: dict[str, Any]) -> str:
    sentence = (
        f"Found {report['made'][:16].replace('T', ' ')} UTC among {report['rows']:,} pictures, {report['encoder']}."
    )
    if "lookalike" in report["tiers"] and report.get("threshold") is not None:
        sentence += (
            f" Lookalikes score {report['threshold']:.3f} and more ({report['threshold_from']}, seed {report['seed']})."
        )
    if report.get("files_missing"):
        sentence += f" {report['files_missing']:,} files are gone or changed: judged by their thumbnails."
    if report.get("not_seen"):
        sentence += f" {report['not_seen']:,} pictures have neither thumbnail nor file and were not compared."
    if report.get("neighbours"):
        sentence += f" {report['neighbours']}"
    if report["generation"] != gallery.generation:
        sentence += " The gallery has changed since."
    return sentence


def members_table(groups: list[dict[str, Any]]) -> pd.DataFrame:
    """A row a member; `keep` marks the proposed copy."""
    rows = [
        {
            "group": number,
            "tier": group["tier"],
            "keep": (member["id"], member["path"]) == (group["keep"], group["keep_path"]),
        }
        | {name: member.get(name) for name in MEMBER}
        for number, group in enumerate(groups, 1)
        for member in group["members"]
    ]
    return pd.DataFrame(rows, columns=["group", "tier", "keep", *MEMBER])


def _across(gallery: Gallery, report: dict[str, Any]) -> None:
    for key, (field, title) in FIELDS.items():
        if not (crossing := report[key]):
            continue
        meaning = "a test picture that training has seen" if field == "splits" else "one is wrong, or both fit"
        with st.expander(f"{literal(title)}: {len(crossing):,} groups", icon=":material/warning:"):
            st.markdown(f"Copies and lookalikes with different {literal(field)}: {literal(meaning)}.")
            table = pd.DataFrame(
                {
                    "tier": one["tier"],
                    field: ", ".join(one[field]),
                    "first": duplicate_list.address(gallery, one["ids"][one[field][0]]),
                    "second": duplicate_list.address(gallery, one["ids"][one[field][1]]),
                    "files": " · ".join(f"{value}: {path}" for value, path in one["paths"].items()),
                }
                for one in crossing
            )
            picture = st.column_config.ImageColumn
            columns: dict[str, Any] = {"tier": "Tier", field: field.title(), "files": "Files"}
            columns |= {"first": picture("First", width=72), "second": picture("Second", width=72)}
            st.dataframe(
                table,
                hide_index=True,
                row_height=64,
                height=min(64 * len(table) + 38, 422),
                column_config=columns,
                alt=f"{title} of {gallery.name}",
            )


def _histograms(gallery: Gallery, hamming: dict[str, dict[str, list[int]]]) -> None:
    made = {
        "perceptual": ("Perceptual hash", "of pixels; pairs to the left of the line are looked at"),
        "simhash": ("SimHash", "of embeddings: 32 bits stand for a right angle"),
    }
    with st.expander("Hamming distances of the hashes", icon=":material/bar_chart:"):
        for place, (name, (title, subtitle)) in zip(st.columns(2, gap="medium"), made.items(), strict=True):
            table = pd.DataFrame({"bits": range(65), **hamming[name]})
            table = (
                table.groupby(2 * (table["bits"] // 2)).sum().drop(columns="bits").reset_index()
            )  # see histogram_figure
            figure = histogram_figure(table, title, subtitle)
            if name == "perceptual":
                figure.add_vline(x=HASH_BITS, line={"dash": "dot", "width": 1, "color": "#8a8f94"})
            with place:
                alt = f"{title}: share of pairs by bits that differ, {gallery.name}"
                chart(figure, table, f"{gallery.name}-hamming-{name}", alt)


def histogram_figure(table: pd.DataFrame, title: str, subtitle: str) -> go.Figure:
    """Each kind as a share of its own pairs: there are far more random ones.

    Two distances a step, because half the bits of a perceptual hash are set, so that it differs in an even number.
    """
    figure = go.Figure()
    for kind, (colour, dash) in KINDS.items():
        if not (total := table[kind].sum()):
            continue
        figure.add_scatter(
            x=table["bits"],
            y=100 * table[kind] / total,
            customdata=table[kind],
            name=f"{SAID[kind]} ({total:,})",
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2, "shape": "hvh"},
            hovertemplate="%{x} or 1 more: %{customdata:,} pairs, %{y:.1f} %<extra>" + SAID[kind] + "</extra>",
        )
    finished(figure, title, subtitle, x="bits that differ, of 64", y="share of pairs, %")
    figure.update_layout(margin_b=70)
    return figure.update_xaxes(range=[0, 64], dtick=8)


def _find(gallery: Gallery, name: str, *, primary: bool) -> None:
    report_section.find_button(
        gallery, name, ["duplicates", gallery.name], title="Find duplicates in", icon=":material/content_copy:",
        primary=primary, running="Looking …",
    )  # fmt: skip
