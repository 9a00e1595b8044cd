"""Pairs that people have judged: read from a file that they bring, and the pairs that were measured as one to take away."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import streamlit as st

from app.pairs import pair_query
from app.server import quotas
from app.widgets.charts import as_csv
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from pipeline.errors import UsageError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import pair_files, verification
from pipeline.recognition.verification import Curve

MAX_MB = 50


def own_pairs(gallery: Gallery, curve: Curve | None) -> None:
    """A popover; what is read is chosen at once."""
    with st.popover("Pairs from a file", icon=":material/upload_file:"):
        st.markdown(
            "A table (CSV) with a line a pair: **first** and **second** are paths, file names or ids of pictures of this gallery, "
            "**same** is 1 or 0. A column **half** (choose, measure) or **fold** keeps your own halves. LFW's pairs.txt is read "
            "too."
        )
        key = f"own-pairs-{gallery.name}-{st.session_state.setdefault('own-pairs-turn', 0)}"
        st.file_uploader(
            "Pairs", type=["csv", "tsv", "txt"], max_upload_size=MAX_MB, key=key, on_change=_take, args=(gallery, key)
        )
        problem()
        for note in st.session_state.get(f"own-pairs-said-{gallery.name}", []):
            st.caption(literal(note))
        if curve is not None:
            st.download_button(
                "Download the measured pairs",
                lambda: as_csv(pair_files.table(gallery, curve.pairs)),
                f"{gallery.name}-pairs.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
            )


def _take(gallery: Gallery, key: str) -> None:
    came = st.session_state.get(key)
    if came is None:
        return
    st.session_state["own-pairs-turn"] += 1
    attempt(_read, gallery, came.name, came.getvalue())


def _read(gallery: Gallery, name: str, data: bytes) -> None:
    if not data.strip():
        raise UsageError("The file is empty.")
    quotas.check_disk(len(data))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / (re.sub(r"[^\w.-]+", "_", name).lstrip(".")[-80:] or "pairs.csv")
        file.write_bytes(data)
        curve, notes = verification.curve_of_file(gallery, file)
    quotas.note(gallery.root / "reports" / f"{reports.names(gallery, verification.KIND)[0]}.parquet")
    st.session_state[f"own-pairs-said-{gallery.name}"] = [
        f"{len(curve.pairs):,} pairs read from {name}.",
        *(f"{note[:1].upper()}{note[1:]}." for note in notes),
    ]
    pair_query.change(by=curve.report["by"])
