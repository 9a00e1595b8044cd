"""Indexes: for these pictures, at this size, which index with which setting."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.indexes import charts
from app.indexes.choice import index_choice
from app.widgets import downloads, report_section, states
from app.widgets.charts import as_csv, chart
from app.widgets.literal import literal
from app.widgets.page import gallery_page
from pipeline import plugins
from pipeline.comparison import filtered, index_advice
from pipeline.comparison.indexes import KIND, METRICS, said_of_metrics
from pipeline.gallery.gallery import Gallery

NEAR = 0.95
RECOMMENDED = ("brute_force", "milvus")  # comparing every row, and what this gallery can be set to
SHOWN = {
    "spec": "Index",
    "ann_recall": "ann_recall",
    "queries_per_second": "queries/s",
    "single_per_second": "one at a time/s",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "build_seconds": "build, s",
    "disk_mb": "disk, MB",
    "megabytes": "memory, MB",
}


def page(gallery: Gallery) -> None:
    found = report_section.newest(gallery, KIND)
    if found is None:
        st.markdown(
            "**Nothing compared yet.** Measures how exact and how quick each index is on this gallery's own embeddings, what "
            "building it costs and how large it is: Milvus' own and those of other libraries, exact comparison first."
        )
        _start(gallery, primary=True)
        return
    try:
        _show(gallery, found[1])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        st.warning(f"The newest comparison cannot be drawn ({literal(repr(error))}); it may be damaged. Compare again.")
    with st.expander("Compare again", icon=":material/refresh:"):
        _start(gallery, primary=False)


def _show(gallery: Gallery, report: dict[str, Any]) -> None:
    table = charts.table_of(report)
    good = table[table["error"] == ""]
    able = [row for row in report["rows"] if index_advice.setting_of(row["spec"])]  # what the gallery can be set to
    st.markdown(f"##### {literal(index_advice.advice(report | {'rows': able or report['rows']}, report['n']))}")
    with st.expander("With the other libraries, and for more pictures"):
        st.markdown("\n".join(f"- {literal(sentence)}" for sentence in report["advice"]))
    for note in report["notes"]:
        st.info(literal(f"{note[0].upper()}{note[1:]}."))
    if not good.empty:
        _charts(gallery, report, table)
    index_choice(gallery, table)
    if "filtered" in report:
        _filtered(gallery, report["filtered"])
    _rows(gallery, report, table)


def _charts(gallery: Gallery, report: dict[str, Any], table: Any) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        speed = states.required(
            st.segmented_control,
            "Speed",
            list(charts.SPEEDS),
            default="queries_per_second",
            required=True,
            format_func=lambda key: charts.SPEEDS[key].capitalize(),
            label_visibility="collapsed",
            key=f"indexes-speed-{gallery.name}",
        )
        near = st.toggle(f"Only ann_recall of {NEAR} and more", key=f"indexes-near-{gallery.name}")
    shown = table[table["error"] == ""][["spec", "ann_recall", *charts.SPEEDS, "p50_ms", "p99_ms"]]
    figure = charts.recall_figure(table, speed, report["k"], least=NEAR if near else 0.0)
    chart(figure, shown, f"{gallery.name}-indexes", f"ann_recall against speed of each index, {gallery.name}")
    costs = charts.cost_table(table)
    left, right = st.columns(2, gap="medium")
    with left:
        build = charts.cost_figure(
            costs, {"build_seconds": "build"}, "Building", "once, and after a rebuild", "seconds"
        )
        chart(build, costs, f"{gallery.name}-indexes-build", f"Seconds to build each index, {gallery.name}")
    with right:
        size = {"memory_mb": "memory", "disk_mb": "disk"}
        sizes = charts.cost_figure(costs, size, "Size", "growth of the process, files", "MB")
        chart(sizes, costs, f"{gallery.name}-indexes-size", f"Size of each index, {gallery.name}")
    _sweep(gallery, table[table["error"] == ""])


def _sweep(gallery: Gallery, good: Any) -> None:
    swept = [base for base, rows in good.groupby("base", sort=False) if len(rows) > 1]
    if not swept:
        return
    base = st.selectbox("Settings of", swept, key=f"indexes-sweep-{gallery.name}", width=360)
    rows = good[good["base"] == base]
    option = max(rows["options"].iloc[0], key=lambda name: len({options[name] for options in rows["options"]}))
    shown = rows[["spec", "ann_recall", "queries_per_second", "p50_ms"]]
    chart(
        charts.sweep_figure(rows, option),
        shown,
        f"{gallery.name}-indexes-{option}",
        f"What {option} changes, {base}",
    )


def _filtered(gallery: Gallery, about: dict[str, Any]) -> None:
    """The gallery's own index, as it was when the report was made, under filters that few and many pictures pass."""
    st.markdown("**Under a filter**")
    st.markdown(literal(filtered.said(about["rows"])))
    table = pd.DataFrame(about["rows"]).replace({"filter": {"": "none"}})
    st.dataframe(
        table,
        hide_index=True,
        column_order=["filter", "share", "ann_recall", "p50_ms"],
        column_config={
            "filter": st.column_config.TextColumn("Filter", width="medium"),
            "share": st.column_config.NumberColumn("Pictures that pass", format="percent"),
            "ann_recall": st.column_config.NumberColumn(
                "ann_recall", format="%.4f", help="Share of the exact nearest that pass which the index returned"
            ),
            "p50_ms": st.column_config.NumberColumn("p50, ms", format="%.2f"),
        },
        alt=f"ann_recall under filters, {gallery.name}",
    )
    row = about["rows"][0]
    st.caption(
        literal(f"{about['settings']} of {about['backend']}, k {row['k']}, {row['queries']:,} queries one at a time.")
    )


def _rows(gallery: Gallery, report: dict[str, Any], table: Any) -> None:
    with st.expander("All rows", icon=":material/table:", expanded=False):
        good = table[table["error"] == ""].assign(disk_mb=lambda rows: rows["bytes_on_disk"].astype(float) / 1e6)
        st.dataframe(
            good[list(SHOWN)].rename(columns=SHOWN),
            hide_index=True,
            height=min(38 + 35 * len(good), 560),
            column_config={
                name: st.column_config.NumberColumn(format="%.4f" if key == "ann_recall" else "%.2f")
                for key, name in SHOWN.items()
                if key != "spec"
            },
            alt=f"Every index and setting measured on {gallery.name}",
        )
    if len(failed := table[table["error"] != ""]):
        with st.expander(f"Without figures: {len(failed):,}", icon=":material/block:"):
            for row in failed.itertuples():
                st.text(f"{row.spec}: {row.error}" + (f" · {row.install}" if row.install else ""))
    cost = report["harness"]
    way = (
        f"k {report['k']}, {report['queries']:,} queries, {report['threads']} thread{'s' * (report['threads'] != 1)}, seed "
        f"{report['seed']}, {report['machine']}. The measuring itself costs {1000 * cost['p50_ms']:.1f} µs a query"
    )
    if alike := said_of_metrics(report):
        st.caption(alike)
    st.caption(literal(report_section.on_what(gallery, report | {"rows": report["n"]}, way)))
    downloads.button("CSV", f"{gallery.name}-indexes.csv", lambda: as_csv(table.drop(columns=["options"])))


def _start(gallery: Gallery, *, primary: bool) -> None:
    names = plugins.available("indexes")
    lacking = {name: plugins.missing("indexes", name) for name in names}
    here = [name for name in names if not lacking[name]]
    folded = st.expander("What is compared", icon=":material/tune:")
    chosen = folded.multiselect(
        "Indexes",
        here,
        default=[name for name in RECOMMENDED if name in here],
        format_func=lambda name: f"{name}: {plugins.card('indexes', name).summary}",
        key=f"indexes-chosen-{gallery.name}",
    )
    if absent := {name: install for name, install in lacking.items() if install}:
        folded.caption("Not installed: " + " · ".join(f"{name} (`{install}`)" for name, install in absent.items()))
    with folded.container(horizontal=True, vertical_alignment="bottom"):
        k = st.number_input("k", 1, 1000, 10, width=110, key=f"indexes-k-{gallery.name}")
        queries = st.number_input("Queries", 10, 10_000, 1000, width=140, key=f"indexes-queries-{gallery.name}")
        threads = st.number_input("Threads", 1, 64, 1, width=110, key=f"indexes-threads-{gallery.name}")
        metric = st.selectbox(
            "Metric",
            METRICS,
            format_func=lambda name: name.replace("_", " ").capitalize(),
            width=170,
            help="Of the indexes that have a choice. Embeddings have unit length, so all three give one order",
            key=f"indexes-metric-{gallery.name}",
        )
    command = ["compare-indexes", gallery.name, "--k", str(k), "--queries", str(queries), "--threads", str(threads)]
    command += ["--metric", metric] if metric != METRICS[0] else []
    for name in chosen:
        command += ["--indexes", name]
    report_section.find_button(
        gallery,
        "Compare indexes" if set(chosen) != set(RECOMMENDED) else "Compare recommended indexes",
        command,
        title="Compare indexes on",
        icon=":material/speed:",
        primary=primary,
        running="Comparing …",
    )


gallery_page("Indexes", page)
