"""Results to take away: CSV that no spreadsheet runs as a formula, and a montage."""

from __future__ import annotations

import csv
import io

import streamlit as st

from pipeline.gallery import Gallery
from pipeline.montage import montage
from pipeline.search import Query, SearchResult


def result_buttons(gallery: Gallery, query: Query, result: SearchResult) -> None:
    """Made when they are clicked, not on every run."""
    with st.container(horizontal=True, width="content"):
        st.download_button(
            "CSV",
            data=lambda: as_csv(result),
            file_name=f"{gallery.name}-hits.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Montage",
            data=lambda: as_png(gallery, query, result),
            file_name=f"{gallery.name}-hits.png",
            mime="image/png",
            icon=":material/grid_view:",
            on_click="ignore",
        )


def as_csv(result: SearchResult) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    keys = sorted({key for hit in result.hits for key in hit.metadata})
    writer.writerow(["rank", "id", "path", "label", "split", "score", "percentile", *map(cell, keys)])
    for rank, (hit, percentile) in enumerate(zip(result.hits, result.percentiles, strict=True), 1):
        texts = [cell(text) for text in (hit.id, hit.path, hit.label, hit.split)]
        writer.writerow(
            [rank, *texts, f"{hit.score:.6f}", f"{percentile:.1f}", *(cell(hit.metadata.get(key, "")) for key in keys)]
        )
    return out.getvalue()


def cell(text: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def as_png(gallery: Gallery, query: Query, result: SearchResult) -> bytes:
    out = io.BytesIO()
    montage(gallery, [picture.data for picture in query.pictures], result).save(out, "PNG")
    return out.getvalue()
