"""One evaluation in full: figures, curves, labels, the pictures behind a bad figure, and all of it to take away."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.evaluate import charts
from app.evaluate.compare import compare
from app.evaluate.reports import Evaluation, confusion
from app.widgets import selection, states, strips
from app.widgets.charts import as_csv, chart
from app.widgets.literal import literal
from pipeline.evaluation import report_page
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import registry

STRIPS = 6
HEADLINES = ("recall_at_1", "precision_at_10", "map_at_r")


def quality(gallery: Gallery, shown: dict[str, Evaluation]) -> None:
    """shown: by short name; the first is told in full, the curves are of all."""
    one = next(iter(shown.values()))
    how_it_was_asked(gallery, one)
    st.markdown(f"##### {headline(one)}")
    st.html(strips.CSS)
    names = list(one.about["metrics"])
    first = [name for name in HEADLINES if name in names] or names[:3]
    st.html(figures(one, first))
    if others := [name for name in names if name not in first]:
        with st.expander(f"{len(others)} more figures"):
            st.html(figures(one, others))
    palette = list(st.get_option("theme.chartCategoricalColors"))
    colours = dict(zip(shown, palette, strict=False))
    left, right = st.columns(2, gap="medium")
    with left:
        table = charts.curve_table(shown)
        chart(charts.curve_figure(table, colours), table, "recall-precision", "recall and precision over k")
    with right:
        if one.about["scores"]:
            alt = "scores of pairs by whether their labels agree"
            chart(charts.score_figure(one), charts.score_table(one), "scores", alt)
            st.caption(
                f"Pairs {literal(report_page.pairs_of(one.about))}; the threshold was chosen on these. {_clusters(one)}"
            )
        else:
            st.caption("No two of the pictures searched share a label, so there are no pairs to tell apart.")
    if len(shown) > 1:
        compare(gallery, shown)
    labels(gallery, one)
    extremes(gallery, one)
    downloads(gallery, one)


def how_it_was_asked(gallery: Gallery, one: Evaluation) -> None:
    about = one.about
    protocol = about["protocol"]
    parts = [
        f"**{about['n_queries']:,}** pictures {f'of {literal(one.asking)} ' if one.asking else ''}{_where(protocol['queries'])}"
    ]
    parts.append(f"asked among **{about['n_gallery']:,}** {_where(protocol['against'])}".rstrip())
    if about["n_skipped"]:
        parts.append(f"{about['n_skipped']:,} had nothing to find")
    if lacking := report_page.unlabelled(about):
        parts.append(f"{lacking:,} have no label")
    if protocol["grade_by"]:
        parts.append(f"graded by {literal(', '.join(protocol['grade_by']))}")
    st.markdown(" · ".join([*parts, literal(f"{one.encoder}, {about['dim']} dimensions"), literal(one.when)]))
    if about["pictures"] != gallery.count():
        st.caption(":material/history: The gallery has changed since; measure again for figures of today.")


def _clusters(one: Evaluation) -> str:
    """How well the labels are clusters, in a sentence."""
    agreement = one.about["clusters"]
    if not agreement:
        return ""
    figures = ", ".join(f"{name.upper()} {agreement[name]:.3f}" for name in ("ami", "nmi", "ari"))
    return f"The labels as clusters: silhouette {agreement['silhouette']:.3f}; k-means finds them with {figures}."


def _where(clauses: str) -> str:
    return literal(f"({clauses})") if clauses else ""


def headline(one: Evaluation) -> str:
    """One sentence that somebody who does not know the figures can repeat."""
    metrics = one.about["metrics"]
    if first := metrics.get("recall_at_1"):
        return (
            f"{100 * first['value']:.1f} % of first hits are right "
            f"({100 * first['low']:.1f} to {100 * first['high']:.1f} % with 95 % confidence)."
        )
    return f"{literal(one.main)} is {metrics[one.main]['value']:.3f}."


def figures(one: Evaluation, metrics: Sequence[str]) -> str:
    """These figures with their 95 % intervals, as markup."""
    cards = []
    for metric in metrics:
        figure = one.about["metrics"][metric]
        low, high = figure["low"], figure["high"]
        meaning = html.escape(registry.meaning(metric))
        cards.append(
            f'<div class="figure"><div class="name">{html.escape(metric)}</div><b>{figure["value"]:.3f}</b> '
            f"<small>{low:.3f} to {high:.3f}</small>"
            f'<div class="bar"><i style="width:{100 * figure["value"]:.1f}%"></i>'
            f'<u style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></u></div>'
            f'<span class="meaning">{meaning}</span></div>'
        )
    return f'<div class="figures">{"".join(cards)}</div>'


@st.fragment
def labels(gallery: Gallery, one: Evaluation) -> None:
    """The table of labels beside their confusion; a click on a label shows its worst queries."""
    st.subheader("Labels", anchor=False)
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        table = pd.DataFrame(one.about["per_label"]).sort_values(
            one.main, ascending=registry.sign(one.main) > 0, ignore_index=True
        )
        columns = {
            name: st.column_config.NumberColumn(name, format="%.3f", help=registry.meaning(name))
            for name in one.metrics
        }
        st.caption(f"Weakest first, by {literal(one.main)}. Choose a label to see where it fails.")
        event = st.dataframe(
            table,
            hide_index=True,
            height=min(38 + 35 * len(table), 520),
            on_select="rerun",
            selection_mode="single-row",
            key=f"labels-{one.name}",
            column_config={
                "label": st.column_config.TextColumn("label", pinned=True),
                "n_queries": st.column_config.NumberColumn("queries", format="localized"),
                "n_skipped": None,
                **columns,
            },
            column_order=["label", "n_queries", one.main, *(name for name in one.metrics if name != one.main)],
            alt="figures of each label",
        )
    with right:
        shares, cut = confusion(one.answered)
        chart(
            charts.confusion_figure(shares, dark=st.context.theme.type == "dark"),
            shares.reset_index(),
            "confusion",
            "labels of queries against labels of their nearest hit",
        )
        if cut:
            st.caption(f"The {len(shares)} labels that go astray most often; the table has all.")
    if rows := event["selection"]["rows"]:
        label = table["label"][rows[0]]
        own = one.answered[one.answered["label"] == label]
        st.markdown(f"**{literal(label)}: its worst queries, and what was found instead**")
        _rows(gallery, one, own.head(STRIPS))


@st.fragment
def extremes(gallery: Gallery, one: Evaluation) -> None:
    st.subheader("Queries", anchor=False)
    key = f"queries-{one.name}"
    way = states.required(
        st.segmented_control,
        "Queries",
        ["Worst", "Best"],
        default="Worst",
        label_visibility="collapsed",
        key=key,
        required=True,
    )
    count = st.session_state.setdefault(f"{key}-count", STRIPS)
    queries = one.answered
    rows = queries.head(count) if way == "Worst" else queries.tail(count)[::-1]
    st.caption(
        f"By {literal(one.main)}. Solid blue ✓ has the query's label, dashed orange ✗ another one. A click searches with a picture."
    )
    _rows(gallery, one, rows)
    with st.container(horizontal=True):
        if count < len(queries):
            st.button(
                "More", icon=":material/expand_more:", key=f"{key}-more",
                on_click=st.session_state.__setitem__, args=(f"{key}-count", count + STRIPS),
            )  # fmt: skip
        selection.button(
            gallery.name,
            f"Select these {len(rows)} queries",
            lambda: rows["id"].tolist(),
            key=f"{key}-select",
            disabled=bool(one.asking),
            help="They are pictures of another gallery" if one.asking else "Tag, relabel, export or remove them below",
        )


def _rows(gallery: Gallery, one: Evaluation, rows: pd.DataFrame) -> None:
    made = [
        strips.strip_of(
            row, f"{one.main} {row[one.main]:.3f} · {row['relevant']:,} right ones in the gallery", asking=one.asking
        )
        for row in rows.to_dict("records")
    ]
    strips.draw(gallery.name, made)


def downloads(gallery: Gallery, one: Evaluation) -> None:
    st.subheader("Export", anchor=False)
    st.code(one.about["command"], language="bash", wrap_lines=True)
    files = {
        "Report of one page": ("html", "text/html", lambda: report_page.page(gallery, one.name, gate={})),
        "Figures": ("json", "application/json", lambda: json.dumps(one.about, ensure_ascii=False, indent=1)),
        "Labels": ("labels.csv", "text/csv", lambda: as_csv(pd.DataFrame(one.about["per_label"]))),
        "Queries": ("queries.csv", "text/csv", lambda: as_csv(_flat(one.table))),
    }
    with st.container(horizontal=True):
        for label, (suffix, mime, made) in files.items():
            st.download_button(
                label, data=made, file_name=f"{gallery.name}-{one.name}.{suffix}", mime=mime,
                icon=":material/download:", on_click="ignore", key=f"take-{suffix}-{one.name}",
            )  # fmt: skip
        if st.button(
            "Delete",
            icon=":material/delete:",
            help="Delete this measurement; it can be made again",
            key=f"delete-{one.name}",
        ):
            reports.delete(gallery, one.name)
            st.rerun()


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """Lists as JSON, so that a spreadsheet shows them and a program reads them back."""
    lists = ("hits", "hit_labels", "hit_scores")
    return table.assign(
        **{name: table[name].map(lambda one: json.dumps(list(one), ensure_ascii=False)) for name in lists}
    )
