"""What was understood of a folder or a table, drawn before anything is made of it."""

from __future__ import annotations

import streamlit as st

from app.server.exposure import shown
from app.widgets.literal import literal
from pipeline.ingest.ingest import Look

SHOWN = 8  # rows
NAMED = 6  # labels


def draw_look(look: Look) -> None:
    """Counts in a sentence, the notes, the first rows."""
    table = look.table
    count = (
        f"{len(table):,} pictures" if look.whole else f"More than {len(table):,} pictures; of the first {len(table):,}"
    )
    labels = table.loc[table["label"] != "", "label"].value_counts()
    named = ", ".join(f"{label} ({n:,})" for label, n in labels.head(NAMED).items()) + (
        " …" if len(labels) > NAMED else ""
    )
    splits = ", ".join(
        f"{split} ({n:,})" for split, n in table.loc[table["split"] != "", "split"].value_counts().items()
    )
    st.markdown(f"**{count}**, {len(labels):,} labels{', splits' if splits else ''}")
    st.text(
        "\n".join(
            line
            for line in (f"Labels: {named}" if named else "No labels", f"Splits: {splits}" if splits else "")
            if line
        )
    )
    missing = table.loc[~table["found"], "path"]
    if len(missing):
        st.warning(f"{len(missing):,} of these files are not there, first: {literal(missing.iloc[0])}")
    if look.notes:
        st.text(shown("\n".join(look.notes)))
    st.dataframe(table.head(SHOWN), hide_index=True, width="stretch")
