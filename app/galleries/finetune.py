"""Fine-tuning a gallery's encoder on its own labels or tags: what to learn, and what came of it last time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import streamlit as st

from app.galleries import finetune_charts as charts
from app.server import jobs, resources
from app.widgets.charts import chart
from app.widgets.literal import literal
from pipeline.errors import SemblanceError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.tags import tags

KIND = "finetune"  # training/finetune/finetune.py writes it
SOURCES = {"labels": "The dataset's labels", "tags": "Tags", "both": "Tags, and labels where there is none"}
METRICS = ("map_at_r", "recall_at_1")


def finetune_room(gallery: Gallery) -> None:
    st.markdown(
        "A small head learns, over the embeddings that are kept, what belongs together here; no picture is read. It is "
        "measured on pictures that it has not learned from, and becomes the gallery's encoder only if it is better."
    )
    counts = _counts(gallery)
    source = st.radio(
        "What teaches",
        list(SOURCES),
        index=list(SOURCES).index("labels" if counts["labels"] else "tags"),
        format_func=SOURCES.__getitem__,
        captions=[_caption(counts["labels"]), _caption(counts["tags"]), None],
        key=f"teaches-{gallery.name}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        _start_button(gallery, source, counts)
        _back_button(gallery)
    kept = reports.names(gallery, KIND)
    if kept:
        try:
            _result(gallery, kept[0], reports.read(gallery, kept[0]))
        except (SemblanceError, KeyError, TypeError) as error:
            st.warning(f"The newest result cannot be shown ({literal(error)}); fine-tune again.")
    elif not counts["labels"] and not counts["tags"]:
        st.info(
            "Nothing to learn from yet: select pictures on the Explore page and give them tags, ten of each or more."
        )


def _start_button(gallery: Gallery, source: str, counts: dict[str, Counter[str]]) -> None:
    several = len(counts["labels"] + counts["tags"] if source == "both" else counts[source]) > 1
    busy = jobs.running("training", "finetune", gallery=gallery.name)
    said = None if several else "It takes two labels or tags at least"
    if st.button("Fine-tune", type="primary", disabled=busy or not several, help=said, key=f"finetune-{gallery.name}"):
        command = ["training", "finetune", "--gallery", gallery.name, "--labels-from", source]
        jobs.start(command, title=f"Fine-tune {gallery.manifest()['title']}", gallery=gallery.name)
        st.rerun()


def _back_button(gallery: Gallery) -> None:
    manifest = gallery.manifest()
    if not manifest["previous"] or not gallery.encoder()["spec"].startswith("head:"):
        return
    previous = manifest["encoders"][manifest["previous"]]["spec"]
    help_back = f"The gallery's encoder becomes {literal(previous)} again; nothing is lost"
    if st.button("Undo", icon=":material/undo:", help=help_back, key=f"unlearn-{gallery.name}"):
        command = ["pipeline", "reencode", gallery.name, "--back"]
        jobs.start(command, title=f"{manifest['title']} back to {previous}", gallery=gallery.name)
        st.rerun()


def _result(gallery: Gallery, name: str, report: dict[str, Any]) -> None:
    st.subheader("Before and after", anchor=False)
    st.markdown(_verdict(gallery, report))
    counts = report["counts"]
    st.caption(
        f"{counts['train']:,} pictures taught, {counts['dev']:,} chose when to stop, {counts['test']:,} measured: each asks "
        f"the {counts['train']:,}. 95 % intervals over the queries. {report['seconds']:,.0f} s, "
        f"{literal(report['made'].replace('T', ' ')[:16])} UTC, seed {literal(report['seed'])}."
    )
    table = pd.DataFrame([_row(metric, report["metrics"][metric]) for metric in METRICS])
    st.dataframe(table, hide_index=True, alt="each metric before and after with its 95 % interval")
    for note in report["notes"]:
        st.caption(literal(note))
    by_label = pd.DataFrame(report["labels"])
    worst = by_label.set_index("label").loc[report["worst"]].reset_index()
    chart(
        charts.labels_figure(worst),
        by_label,
        f"finetune-labels-{gallery.name}",
        "map_at_r of the worst labels, before and after",
    )
    _maps(gallery, name)


def _maps(gallery: Gallery, name: str) -> None:
    try:
        table = reports.table(gallery, name)
    except SemblanceError:
        return  # too few pictures were held out for a map
    for place, when in zip(st.columns(2), ("before", "after"), strict=True):
        with place:
            figure = charts.map_figure(table, when)
            chart(figure, table, f"finetune-{when}-{gallery.name}", f"held-out pictures placed by t-SNE, {when}")


def _verdict(gallery: Gallery, report: dict[str, Any]) -> str:
    figures = report["metrics"]["map_at_r"]
    moved = f"map_at_r {figures['before']['value']:.3f} → **{figures['after']['value']:.3f}**"
    if report["after"] and gallery.encoder()["spec"] == report["after"]:
        return f":material/check_circle: {moved}. The gallery is searched with what was learned."
    if report["after"]:
        return f":material/undo: {moved}. The gallery has another encoder again."
    return f":material/do_not_disturb_on: {moved}. Not better for certain, so the gallery stays as it was."


def _row(metric: str, figures: dict[str, dict[str, float]]) -> dict[str, str]:
    cells = {"Metric": metric}
    for when, sign in (("before", ""), ("after", ""), ("rise", "+")):
        one = figures[when]
        cells[when.capitalize()] = f"{one['value']:{sign}.3f} ({one['low']:{sign}.3f} to {one['high']:{sign}.3f})"
    return cells


def _counts(gallery: Gallery) -> dict[str, Counter[str]]:
    return {
        "labels": resources.labels(gallery),
        "tags": Counter({name: len(ids) for name, ids in tags(gallery).items()}),
    }


def _caption(counts: Counter[str]) -> str:
    if not counts:
        return "none yet"
    return f"{len(counts):,}: " + ", ".join(f"{literal(name)} {count:,}" for name, count in counts.most_common(4))
