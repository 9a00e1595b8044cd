"""Pairs of the gallery to begin with, one click each."""

from __future__ import annotations

import random

import streamlit as st

from app.pairs import pair_query
from app.server import resources
from app.server.routes import thumbnail_url
from pipeline.gallery.gallery import Gallery
from pipeline.recognition.verification import MEASURE, Curve


def example_pairs(gallery: Gallery, curve: Curve | None) -> None:
    st.markdown("**Drop two pictures, or begin with a pair of this gallery:**")
    with st.container(key="pair-examples"):
        columns = st.columns(2)
    for number, (title, first, second) in enumerate(_examples(gallery, curve)):
        with columns[number % 2]:
            sources = "".join(
                f'<img src="{thumbnail_url(gallery.name, picture)}" alt="{title}">' for picture in (first, second)
            )
            st.html(f'<div class="pair-example">{sources}</div>')
            st.button(
                title, key=f"pair-example-{number}", width="stretch",
                on_click=pair_query.change, kwargs={"first": first, "second": second},
            )  # fmt: skip


def _examples(gallery: Gallery, curve: Curve | None) -> list[tuple[str, str, str]]:
    """Title and two ids: a pair of each kind, and the one of each kind that is hardest; without a curve random ones."""
    paths = resources.paths(gallery)
    if curve is None:
        ids = random.Random(0).sample(list(paths), min(8, len(paths) // 2 * 2))
        return [
            (f"Pair {n}", first, second) for n, (first, second) in enumerate(zip(ids[::2], ids[1::2], strict=True), 1)
        ]
    pairs = curve.pairs[
        (curve.pairs["half"] == MEASURE) & curve.pairs["first"].isin(paths) & curve.pairs["second"].isin(paths)
    ]
    same, different = pairs[pairs["same"]].sort_values("score"), pairs[~pairs["same"]].sort_values("score")
    chosen = []
    for title, rows, at in (
        ("Matching pair", same, -1 - len(same) // 4),
        ("Different pair", different, len(different) // 4),
        ("Matching pair with low score", same, 0),
        ("Different pair with high score", different, -1),
    ):
        if len(rows):
            row = rows.iloc[at]
            chosen.append((title, str(row["first"]), str(row["second"])))
    return chosen
