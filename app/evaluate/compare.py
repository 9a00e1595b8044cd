"""Encoders side by side on the same queries: how far apart with interval, and where they disagree most."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.evaluate.reports import Evaluation
from app.widgets import strips
from app.widgets.literal import literal
from pipeline.evaluation.disagreement import differences, most_apart
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import registry

SHOWN = 4


def compare(gallery: Gallery, shown: dict[str, Evaluation]) -> None:
    """The first against each of the others."""
    (first, one), *rest = shown.items()
    st.subheader("Side by side", anchor=False)
    for name, other in rest:
        shared = set(one.table["id"]) & set(other.table["id"])
        if _asked(one) != _asked(other) or not shared:
            why = "different questions"
            if one.about["protocol"] == other.about["protocol"]:
                why = "among other pictures, because the gallery has changed between"
            st.info(
                f"**{literal(first)}** and **{literal(name)}** were asked {literal(why)}; measure both in the same way to compare them."
            )
            continue
        table = differences(
            one.table, other.table, [m for m in one.metrics if m in other.metrics], seed=one.about["seed"]
        )
        st.markdown(f"**{literal(name)}** against **{literal(first)}**, on the same {len(shared):,} queries")
        st.dataframe(_readable(table, first, name), hide_index=True, alt=f"differences between {name} and {first}")
        for better, worse, rows in (
            (name, first, most_apart(one.table, other.table, one.main)),
            (first, name, most_apart(other.table, one.table, one.main)),
        ):
            _apart(gallery, one, better, worse, rows)


def _asked(one: Evaluation) -> tuple[Any, ...]:
    """What two measurements must share to be compared; reports of before do not say which pictures were searched."""
    return (one.about["protocol"], one.about["n_gallery"], one.about.get("searched"))


def _readable(table: pd.DataFrame, first: str, other: str) -> pd.DataFrame:
    """Values of both, the difference with its interval, and a word for what it says."""
    words = {1: "better", 0: "no difference to be seen", -1: "worse"}
    verdicts = [
        words[registry.sign(metric) * (int(low > 0) - int(high < 0))]
        for metric, low, high in zip(table["metric"], table["low"], table["high"], strict=True)
    ]
    return pd.DataFrame(
        {
            "metric": table["metric"],
            first: table["one"].map("{:.3f}".format),
            other: table["other"].map("{:.3f}".format),
            "difference": table["difference"].map("{:+.3f}".format),
            "95 % interval": [
                f"{low:+.3f} to {high:+.3f}" for low, high in zip(table["low"], table["high"], strict=True)
            ],
            f"{other} is": verdicts,
        }
    )


def _apart(gallery: Gallery, one: Evaluation, better: str, worse: str, rows: pd.DataFrame) -> None:
    """Two strips a query: the better one's hits above the worse one's."""
    if rows.empty:
        return
    with st.expander(f"Where {literal(better)} does better than {literal(worse)}", expanded=False):
        made = []
        for row in rows.head(SHOWN).to_dict("records"):
            for name, side in ((better, "other"), (worse, "one")):
                hits = {key: row[f"{key}_{side}"] for key in ("hits", "hit_labels", "hit_scores")}
                note = f"{name}: {one.main} {row[f'{one.main}_{side}']:.3f}"
                made.append(
                    strips.strip_of({key: row[key] for key in ("id", "label", "path")} | hits, note, asking=one.asking)
                )
        strips.draw(gallery.name, made)
