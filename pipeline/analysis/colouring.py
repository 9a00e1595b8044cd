"""What the points of a map are coloured by: a column of the gallery, its clusters, tags, or the score to a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.analysis import clustering
from pipeline.analysis.map_points import MapPoints
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

NONE, SCORE = "none", "score"  # one colour; by the score to a query

# Told apart by most people who see few colours (Okabe and Ito), then darker and paler ones; the last one is the rest.
COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#8a7400",
    "#7a5fd0",
    "#94c33d",
    "#a3365f",
    "#2f9fa8",
)
REST, NOTHING = "#8a8f94", "#8a8f9450"  # other values; none
STEPS = 256
FEW = 12  # different numbers; more are a scale


@dataclass(frozen=True)
class Colouring:
    """codes: (n,) uint8 into palette. legend: (code, name, count), counts over all pictures. scale: its two ends."""

    title: str
    codes: np.ndarray
    palette: tuple[str, ...]
    legend: tuple[tuple[int, str, int], ...] = ()
    scale: tuple[str, str] | None = None

    def among(self, names: Sequence[str]) -> np.ndarray:
        """(n,) bool: whether a picture is in one of these entries of the legend; all of them when it has none such."""
        wanted = [code for code, name, _ in self.legend if name in names]
        return np.isin(self.codes, wanted) if wanted else np.ones(len(self.codes), bool)


def columns(gallery: Gallery, data: MapPoints, *, query: bool) -> dict[str, str]:
    """Key of the address to what a person reads; the first is what a map begins with. query: there is one to score by."""
    found = {name: name.capitalize() for name in data.varied}
    if clustering.newest(gallery):
        found["cluster"] = "Cluster"
    if tags.tags(gallery):
        found["tag"] = "Tag"
    if query:
        found[SCORE] = "Score to the query"
    found |= {f"metadata.{key}": key for key in gallery.manifest()["metadata_keys"]}
    return found | {NONE: "One colour"}


def by_column(gallery: Gallery, data: MapPoints, by: str) -> Colouring:
    """by: a key of `columns` but the score."""
    if by == NONE:
        return plain(len(data.points))
    if by == "tag":
        return by_value("Tag", _tags(gallery, data), empty="no tag")
    if by == "cluster" and (report := clustering.newest(gallery)):
        found = clustering.assignment(gallery, report)
        names = dict(zip(found["id"], found["name"], strict=True))
        values = data.table["id"].map(names).fillna("").replace(clustering.NO_CLUSTER, "")
        return by_value("Cluster", values, empty=clustering.NO_CLUSTER)
    if by in ("label", "split"):
        return by_value(by.capitalize(), data.table[by], empty=f"no {by}")
    key = by.removeprefix("metadata.")
    return by_value(key, data.table["metadata"].map(lambda row: row.get(key, "")), empty=f"no {key}")


def by_value(title: str, values: pd.Series, *, empty: str) -> Colouring:
    """Numbers with more than FEW values as a scale; else the commonest values a colour each, the others together.

    empty: what a picture without a value is called.
    """
    import pandas as pd

    texts = values.astype(str).str.strip()
    numbers = pd.to_numeric(texts.where(texts != ""), errors="coerce")
    given = texts != ""
    if given.any() and numbers[given].notna().all() and np.isfinite(numbers[given]).all() and numbers.nunique() > FEW:
        return on_scale(title, numbers.to_numpy(np.float64))
    counts = texts[given].value_counts()
    named = list(counts.index[: len(COLOURS)])
    code_of = {name: code for code, name in enumerate(named)}
    legend = [(code, name, int(counts[name])) for name, code in code_of.items()]
    rest = len(named)
    if others := len(counts) - len(named):
        legend.append((rest, f"{others:,} others", int(counts.iloc[len(named) :].sum())))
    if blank := int((~given).sum()):
        legend.append((rest + 1, empty, blank))
    codes = texts.map(code_of).fillna(rest).where(given, rest + 1).to_numpy(np.uint8)
    return Colouring(title, codes, (*COLOURS[:rest], REST, NOTHING), tuple(legend))


def on_scale(title: str, values: np.ndarray) -> Colouring:
    """(n,) numbers, those that are none in grey; the scale spans the middle 98 %, so that one far value hides nothing."""
    from plotly.colors import sample_colorscale, unlabel_rgb

    known = np.isfinite(values)
    low, high = np.percentile(values[known], [1, 99]) if known.any() else (0.0, 1.0)
    share = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-12), 0, 1)
    codes = np.where(known, 1 + np.round(share * (STEPS - 2)), 0).astype(np.uint8)
    ramp = sample_colorscale("Cividis", np.linspace(0, 1, STEPS - 1).tolist())
    hexes = ["#{:02x}{:02x}{:02x}".format(*(round(part) for part in unlabel_rgb(colour))) for colour in ramp]
    return Colouring(title, codes, (NOTHING, *hexes), scale=(f"{low:.4g}", f"{high:.4g}"))


def plain(n: int) -> Colouring:
    return Colouring("", np.zeros(n, np.uint8), (COLOURS[0],))


def _tags(gallery: Gallery, data: MapPoints) -> pd.Series:
    """A picture with several tags has the colour of the one that was given to the fewest pictures."""
    values: pd.Series = data.table["id"].map(dict.fromkeys(data.table["id"], ""))
    for name, ids in sorted(tags.tags(gallery).items(), key=lambda entry: -len(entry[1])):
        values[data.table["id"].isin(ids)] = name
    return values
