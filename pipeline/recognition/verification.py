"""Same or different? A threshold of a gallery's own scores at a chosen false accept rate, and what it is worth.

The pictures are cut in two halves. The threshold is found on pairs of the one and its rates are measured on pairs of the
other, so they are not those of the pairs that it was fitted to. A report keeps both, one a gallery and field.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import GalleryError, UsageError, listed
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import intervals, verification
from pipeline.recognition import drawn_pairs, pair_files
from pipeline.recognition.drawn_pairs import CHOOSE, MEASURE
from pipeline.records import Progress, Rows, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

KIND = "same-or-different"
RATES = (0.001, 0.01, 0.05)
MAX_PAIRS = 20_000  # of each kind and half, at most
BOOTSTRAP_ROUNDS = 500
SLACK = 1e-6  # two ways to the same score, by a store and by the files, differ by rounding
LIST = "pairs:"  # before the name of pairs that came from a file, where else a field is named


@dataclass(frozen=True)
class Curve:
    """report: as it is kept. pairs: a row a pair with first, second (ids), half, same and score."""

    report: dict[str, Any]
    pairs: pd.DataFrame

    def scores(self, half: str = MEASURE) -> tuple[np.ndarray, np.ndarray]:
        """Of the half's same pairs and of its different ones."""
        rows = self.pairs[self.pairs["half"] == half]
        same = rows["same"].to_numpy(bool)
        scores = rows["score"].to_numpy("float32")
        return scores[same], scores[~same]

    def roc(self) -> verification.Roc:
        return verification.roc(*self.scores())


@dataclass(frozen=True)
class Decision:
    """higher: how many different pairs of the measured half score at least this; lower: how many same ones score less."""

    same: bool
    score: float
    threshold: float
    rate: float
    higher: int
    n_different: int
    lower: int
    n_same: int


def decide(curve: Curve, score: float, *, rate: float = 0.01) -> Decision:
    """Same where the score reaches the threshold of this false accept rate."""
    threshold = float(point_of(curve, rate)["threshold"])
    same, different = curve.scores()
    least = score - SLACK
    higher, lower = int((different >= least).sum()), int((same < least).sum())
    return Decision(score + SLACK >= threshold, score, threshold, rate, higher, len(different), lower, len(same))


def curve(
    gallery: Gallery, *, by: str = "label", n: int = MAX_PAIRS, seed: int = 0, progress: Progress = silent
) -> Curve:
    """The kept curve of the gallery as it is now, else a new one, which is kept in its place.

    by: `label`, or a metadata field: two pictures are the same where it agrees; pictures without it take no part. Or
    `pairs:NAME`, which `curve_of_file` has read before. n: pairs of each kind in each half, at most; a file's are all
    taken. Raises UsageError where a half has no pairs of one kind.
    """
    existing = kept_curve(gallery, by=by, n=n, seed=seed)
    if existing and existing.report["generation"] == gallery.generation:
        return existing
    generation, rows = gallery.generation, gallery.rows()
    progress("pairs", 0, 0)
    if is_list(by):
        pairs, counts = _scored(gallery, rows, _listed(gallery, by), by)
    else:
        pairs, counts = drawn_pairs.drawn(gallery, rows, by, n, seed)
    return _kept(gallery, generation, pairs, counts | {"by": by, "n": n, "seed": seed})


def curve_of_file(gallery: Gallery, file: Path, *, seed: int = 0) -> tuple[Curve, list[str]]:
    """The curve of pairs that people have judged, and what of the file was left out. Kept as `pairs:` and the file's name, in
    place of one of that name. UsageError as `pair_files.read`, and where a half has no pairs of one kind."""
    by = LIST + (re.sub(r"[^\w-]+", "_", file.stem)[:60] or "file")
    generation, rows = gallery.generation, gallery.rows()
    found = pair_files.read(file, gallery, halves=(CHOOSE, MEASURE), seed=seed)
    pairs, counts = _scored(gallery, rows, found.pairs, by)
    about = {"by": by, "n": MAX_PAIRS, "seed": seed, "file": file.name}
    return _kept(gallery, generation, pairs, counts | about), found.notes


def lists(gallery: Gallery) -> list[str]:
    """`pairs:NAME` of every file whose pairs are kept, the newest first."""
    said = (str(_report(gallery, name).get("by", "")) for name in reports.names(gallery, KIND))
    return list(dict.fromkeys(by for by in said if is_list(by)))


def is_list(by: str) -> bool:
    """Whether pairs of a file are meant, and not what a field says."""
    return by.startswith(LIST)


def _kept(gallery: Gallery, generation: int, pairs: pd.DataFrame, about: dict[str, Any]) -> Curve:
    """The curve of these pairs, kept in place of the gallery's others by the same."""
    seed, by = about["seed"], about["by"]
    measured = Curve({}, pairs).roc()
    rate, threshold = verification.eer(measured)
    entry = gallery.encoder()
    report = about | {
        "generation": generation,
        "encoder": entry["spec"],
        "fingerprint": entry["fingerprint"],
        "auc": round(measured.auc, 6),
        "eer": round(rate, 6),
        "eer_threshold": round(threshold, 6),
        "points": points(pairs, RATES, seed=seed),
    }
    outdated = [name for name in reports.names(gallery, KIND) if _report(gallery, name).get("by", by) == by]
    name = reports.write(gallery, KIND, report, pairs)
    for other in outdated:
        reports.delete(gallery, other)
    return Curve(reports.read(gallery, name), pairs)


def kept_curve(gallery: Gallery, *, by: str = "label", n: int = MAX_PAIRS, seed: int = 0) -> Curve | None:
    """The newest one of the gallery's encoder; its `generation` says whether the gallery has changed since."""
    wanted = {"by": by, "n": n, "seed": seed, "fingerprint": gallery.encoder()["fingerprint"]}
    for name in reports.names(gallery, KIND):
        report = _report(gallery, name)
        if wanted.items() <= report.items():
            try:
                return Curve(report, reports.table(gallery, name))
            except GalleryError:
                continue
    return None


def point_of(curve: Curve, rate: float) -> dict[str, Any]:
    """The report's point of this rate; one of another rate is measured now."""
    measured = {point["rate"]: point for point in curve.report["points"]}
    return measured.get(rate) or points(curve.pairs, (rate,), seed=curve.report["seed"])[0]


def points(pairs: pd.DataFrame, rates: Sequence[float], *, seed: int = 0) -> list[dict[str, Any]]:
    """For each rate the threshold that accepts at most this share of one half's different pairs, measured on the other.

    Intervals of 95 %: bootstrap over pictures, never narrower than Wilson's for as many independent pairs. threshold: just
    above the highest different pair where even that one would be too many. enough: there were different pairs to find this
    rate on, 1 / rate at least.
    """
    import numpy as np

    choosing = Curve({}, pairs).scores(CHOOSE)
    chosen = verification.roc(*choosing)
    thresholds = np.array([verification.at_false_accept(chosen, rate=rate)[0] for rate in rates])
    thresholds[np.isinf(thresholds)] = choosing[1].max() + 2 * SLACK
    rows = pairs[pairs["half"] == MEASURE]
    pictures = np.unique(rows[["first", "second"]].to_numpy(str), return_inverse=True)[1].reshape(-1, 2)
    accepted = rows["score"].to_numpy()[:, None] >= thresholds  # (pairs, rates)
    same = rows["same"].to_numpy(bool)
    true = _intervals(accepted[same], pictures[same], seed)
    false = _intervals(accepted[~same], pictures[~same], seed)
    return [
        {
            "rate": rate,
            "threshold": float(threshold),
            "enough": len(choosing[1]) * rate >= 1,
            "true_accept": true_accept,
            "false_accept": false_accept,
        }
        for rate, threshold, true_accept, false_accept in zip(rates, thresholds, true, false, strict=True)
    ]


def _report(gallery: Gallery, name: str) -> dict[str, Any]:
    """{} when it is damaged, or was deleted by another process meanwhile."""
    try:
        return reports.read(gallery, name)
    except GalleryError:
        return {}


def _listed(gallery: Gallery, by: str) -> pd.DataFrame:
    """The pairs of a file as they were read, whatever the gallery's encoder was then. UsageError when none is kept."""
    for name in reports.names(gallery, KIND):
        if _report(gallery, name).get("by") == by:
            return reports.table(gallery, name)
    known = listed(lists(gallery)) or "none"
    raise UsageError(f"gallery {gallery.name} has no pairs {by!r} from a file; it has {known}; read the file first")


def _scored(gallery: Gallery, rows: Rows, pairs: pd.DataFrame, by: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Those pairs whose pictures are there, with their scores of today. UsageError where a half lacks a kind."""
    import numpy as np

    place = {picture: row for row, picture in enumerate(rows.table["id"])}
    there = pairs["first"].isin(place.keys()) & pairs["second"].isin(place.keys())
    pairs = pairs[there].reset_index(drop=True)
    counts: dict[str, Any] = {"pairs": {}, "gone": int((~there).sum())}
    for half in (CHOOSE, MEASURE):
        mine = pairs[pairs["half"] == half]
        same = int(mine["same"].sum())
        if not 0 < same < len(mine):
            raise UsageError(
                f"{by}: one half of its {len(pairs):,} pairs has {same:,} same and {len(mine) - same:,} different ones; "
                "both kinds are needed in both halves: give more pairs, or a column half with choose and measure"
            )
        pictures = len(np.unique(mine[["first", "second"]].to_numpy(str)))
        counts["pairs"][half] = {"pictures": pictures, "same": same, "different": len(mine) - same}
    counts |= {"pictures": len(np.unique(pairs[["first", "second"]].to_numpy(str)))}
    ends = np.array([[place[one] for one in pairs[name]] for name in ("first", "second")]).T
    return pairs.assign(score=verification.pair_scores(rows.embeddings, ends)), counts


def _intervals(accepted: np.ndarray, pictures: np.ndarray, seed: int) -> list[dict[str, float]]:
    """value, low and high of the share of pairs in each column of accepted (m, n); pictures (m, 2): whom a pair is of."""
    import numpy as np

    m, n_pictures = len(accepted), int(pictures.max()) + 1
    # Pairs that share a picture are no independent draws, pictures are; one drawn twice makes its pairs count twice.
    random = np.random.default_rng(seed)
    counted = np.column_stack([accepted, np.ones(m, bool)]).astype(np.float32)  # last: every pair
    sums = []
    for _ in range(BOOTSTRAP_ROUNDS):
        drawn = np.bincount(random.integers(n_pictures, size=n_pictures), minlength=n_pictures).astype(np.float32)
        sums.append((drawn[pictures[:, 0]] * drawn[pictures[:, 1]]) @ counted)
    totals = np.array([one for one in sums if one[-1]] or [counted.sum(0)])
    lows, highs = np.quantile(totals[:, :-1] / totals[:, -1:], intervals.TAILS, axis=0)
    share = accepted.mean(0)
    low, high = intervals.wilson(share, m)
    bounds = np.stack([share, np.minimum(lows, low), np.maximum(highs, high)], axis=1).clip(0, 1)
    return [{"value": value, "low": low, "high": high} for value, low, high in bounds.round(6).tolist()]
