"""What the Evaluate page knows of a gallery's evaluations: read once each, as a report never changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pipeline.evaluation import evaluate, report_page
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import registry


@dataclass(frozen=True)
class Evaluation:
    """about: the report. Its table is read when it is asked for: a list of evaluations needs none."""

    name: str
    about: dict[str, Any]
    gallery: Gallery

    @property
    def table(self) -> pd.DataFrame:
        """A row a query. GalleryError when it is gone or damaged."""
        return _table(self.gallery.version[:2], self.name, self.gallery)

    @property
    def encoder(self) -> str:
        """Its spec; of a long path only the end."""
        return report_page.encoder_of(self.about)

    @property
    def title(self) -> str:
        """Encoder, who asked whom, when."""
        protocol = self.about["protocol"]
        who = f"{protocol['asking']} " if protocol["asking"] else ""
        who += protocol["queries"] or ("all" if not protocol["against"] else "the others")
        return f"{self.encoder} · {who}{' → ' + protocol['against'] if protocol['against'] else ''} · {self.when}"

    @property
    def when(self) -> str:
        return self.about["made"][:16].replace("T", " ")

    @property
    def asking(self) -> str:
        return str(self.about["protocol"]["asking"])

    @property
    def metrics(self) -> list[str]:
        return list(self.about["metrics"])

    @property
    def main(self) -> str:
        """The metric that says which queries are worst."""
        return registry.main(self.metrics)

    @property
    def answered(self) -> pd.DataFrame:
        """Queries with something to find, worst first; equal ones by id."""
        return _answered(self.gallery.version[:2], self.name, self.main, self)


def names(gallery: Gallery) -> list[str]:
    """Newest first."""
    return reports.names(gallery, evaluate.KIND)


def read(gallery: Gallery, name: str) -> Evaluation:
    """GalleryError when it is gone or damaged."""
    return _read(gallery.version[:2], name, gallery)


@st.cache_resource(max_entries=64, show_spinner=False)  # not copied at each look, so nobody may change what it gives
def _read(made: tuple[str, str], name: str, _gallery: Gallery) -> Evaluation:
    return Evaluation(name, reports.read(_gallery, name), _gallery)


@st.cache_resource(max_entries=8, show_spinner=False)
def _table(made: tuple[str, str], name: str, _gallery: Gallery) -> pd.DataFrame:
    return reports.table(_gallery, name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _answered(made: tuple[str, str], name: str, main: str, _one: Evaluation) -> pd.DataFrame:
    return evaluate.answered(_one.table, main)


def confusion(answered: pd.DataFrame, *, max_labels: int = 30) -> tuple[pd.DataFrame, bool]:
    """Of `answered`: share of each label's queries by the label of their nearest hit, rows adding up to 1; and whether labels were left out.

    With more than `max_labels` labels, those whose queries go astray most often.
    """
    first = answered["hit_labels"].map(lambda labels: labels[0])
    counts = pd.crosstab(answered["label"], first)
    labels = sorted({*counts.index, *counts.columns})
    counts = counts.reindex(index=labels, columns=labels, fill_value=0)
    cut = len(labels) > max_labels
    if cut:
        astray = counts.sum(axis=1) - np.diag(counts)
        labels = sorted(astray.sort_values(ascending=False, kind="stable").index[:max_labels])
        counts = counts.loc[labels, labels]
    totals = answered["label"].value_counts()
    return counts.div(totals.reindex(labels).fillna(1), axis=0), cut
