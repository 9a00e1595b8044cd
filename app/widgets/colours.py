"""What the points of a map are coloured by: a column of the gallery, its clusters, tags, or the score to the query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.server.routes import publish

if TYPE_CHECKING:
    import pandas as pd

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

    def address(self, drawn: np.ndarray) -> str:
        return publish(self.codes[drawn].tobytes())

    def among(self, names: Sequence[str]) -> np.ndarray:
        """(n,) bool: whether a picture is in one of these entries of the legend; all of them when it has none such."""
        wanted = [code for code, name, _ in self.legend if name in names]
        return np.isin(self.codes, wanted) if wanted else np.ones(len(self.codes), bool)


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
