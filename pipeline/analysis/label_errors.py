"""Likely label errors of a gallery: pictures whose nearest others say another label, ranked.

Confident learning (Northcutt, Jiang and Chuang 2021) on out-of-sample probabilities: no picture votes for itself, and
nothing is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.analysis.outliers import MAX_K, nearest_columns
from pipeline.errors import UsageError
from pipeline.gallery import judgments, reports, whole_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.whole_pictures import WholePictures
from pipeline.records import Neighbours, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

KIND = "label-errors"
RIGHT = "label_right"  # the judgment that a label is right; its value is the label
K = 50
WIDTH = 0.1  # a neighbour this much farther than the closest one has 1/e of its vote
BALANCE = (
    0.5  # votes are divided by the label's share of the gallery to this power: 1 = rare labels count as frequent ones
)
PRIOR = 1.0  # of a closest neighbour's vote, shared by all labels: no probability is 0
LEAN = 0.25  # of the proposed label's probability, in the order of the list
KEPT = 5000  # rows of the list at most
VOTES_AT_ONCE = 1 << 22  # probabilities in memory at a time, 32 MB


@dataclass(frozen=True)
class Verdicts:
    """What the neighbours say of each of n pictures, all (n,).

    own: probability of the picture's own label. proposed: the label with the highest of the others, a number; other: its
    probability. likely: counted off the diagonal of the confident joint (section 3.1): the proposed label is at least as
    probable as on average for pictures that have it, and the own one is less so, or less probable than the proposed.
    """

    own: np.ndarray
    proposed: np.ndarray
    other: np.ndarray
    likely: np.ndarray

    def order(self) -> np.ndarray:
        """Rows, the most doubtful first, equal ones by row: own - LEAN × other.

        Between self-confidence (LEAN 0) and the normalised margin (LEAN 1) of section 3.2. With labels flipped on purpose
        the first finds as many in the top 10 %, but begins with pictures whose neighbours agree on nothing; the second
        begins well and finds fewer: benchmarks/label_errors.py.
        """
        return np.argsort(self.own - LEAN * self.other, kind="stable")


def judge(nearest: Neighbours, codes: np.ndarray) -> Verdicts:
    """nearest: neighbours of n pictures, (n, k). codes: (n,) their labels as 0, 1, …, at least 2 of them.

    The weight of a neighbour falls with its distance in score behind the closest one; the votes for a label are divided
    by the root of its share of the gallery, or the most frequent label would be proposed everywhere.
    """
    n, count = len(codes), int(codes.max()) + 1
    assert count >= 2
    sizes = np.bincount(codes, minlength=count)
    balance = (sizes / n).clip(min=1 / n) ** BALANCE
    own, other = np.empty(n), np.empty(n)
    proposed = np.empty(n, int)
    step = max(1, VOTES_AT_ONCE // count)
    for here in _blocks(n, step):
        shares = _shares(nearest, codes, here, balance)
        rows = np.arange(len(shares))
        own[here] = shares[rows, codes[here]]
        shares[rows, codes[here]] = -1
        proposed[here] = shares.argmax(axis=1)
        other[here] = shares[rows, proposed[here]]
    threshold = np.bincount(codes, own, minlength=count) / np.maximum(sizes, 1)  # mean self-confidence, section 3.1
    likely = (other >= threshold[proposed]) & ((own < threshold[codes]) | (other > own))
    return Verdicts(own, proposed, other, likely)


def _blocks(n: int, step: int) -> list[slice]:
    return [slice(start, min(n, start + step)) for start in range(0, n, step)]


def _shares(nearest: Neighbours, codes: np.ndarray, here: slice, balance: np.ndarray) -> np.ndarray:
    """(rows, labels) probabilities, each row adds up to 1."""
    scores = nearest.scores[here].astype(np.float64)
    weights = np.exp((scores - scores[:, :1]) / WIDTH)  # (rows, k), 1 for the closest
    count = len(balance)
    cells = np.arange(len(scores))[:, None] * count + codes[nearest.rows[here]]
    votes = np.bincount(cells.ravel(), weights.ravel(), minlength=len(scores) * count).reshape(-1, count) / balance
    votes += PRIOR / count
    return votes / votes.sum(axis=1, keepdims=True)


def find(gallery: Gallery, *, k: int = K, progress: Progress = silent) -> str:
    """The name of the report that is kept; its table has at most KEPT pictures, the most doubtful first.

    Listed are pictures whose neighbours prefer another label. Columns: rank, id, path, label, proposed, score (probability
    of the own label, 0 to 1), proposed_score, likely, hits, hit_labels, hit_scores. Pictures without a label neither ask
    nor vote; those judged `label_right` vote and are not listed, those whose label nobody shares neither (`lone`).
    UsageError without two labels, or for a k that cannot be.
    """
    if not 1 <= k <= MAX_K:
        raise UsageError(f"k is {k}; choose 1 to {MAX_K:,} neighbours, such as {K}")
    pictures = whole_pictures.of_gallery(gallery, purpose="to compare their labels")
    labelled = pictures.labels != ""
    names, codes = np.unique(pictures.labels[labelled], return_inverse=True)
    _check(gallery, names)
    unlabelled = int((~labelled).sum())
    if unlabelled:
        pictures = _only(pictures, labelled)
    nearest = pictures.neighbours(k, progress=progress)
    verdicts = judge(nearest, codes)
    table, ids = pictures.rows.table, pictures.rows.table["id"].to_numpy()
    right = judged_right(gallery)
    lone = np.bincount(codes)[codes] == 1
    passed = np.array([right.get(picture) == label for picture, label in zip(ids, table["label"], strict=True)])
    order = verdicts.order()
    candidates = order[~lone[order] & ~passed[order]]
    doubted = candidates[verdicts.other[candidates] > verdicts.own[candidates]]
    made = _table(pictures, nearest, names, verdicts, doubted[:KEPT])
    report: dict[str, Any] = {
        **pictures.about,
        **{
            "k": nearest.rows.shape[1],
            "labels": len(names),
            "unlabelled": unlabelled,
            "judged_right": int(passed.sum()),
        },
        **{"asked": len(candidates), "doubted": len(doubted), "likely": int(verdicts.likely[candidates].sum())},
        "lone": table.loc[lone, ["id", "path", "label"]].head(KEPT).to_dict("records"),
        "agreeing": float((verdicts.own >= verdicts.other)[~lone].mean()) if not lone.all() else None,
        "seed": None,  # nothing is drawn
    }
    return reports.write(gallery, KIND, report, made)


def judged_right(gallery: Gallery) -> dict[str, str]:
    """id to the label that somebody called right; a later judgment replaces an earlier one or takes it back."""
    right: dict[str, str] = {}
    for judgment in judgments.read(gallery.judgments_file):
        if judgment["kind"] == RIGHT:
            for picture in judgment["ids"]:
                if judgment["value"]:
                    right[picture] = str(judgment["value"])
                else:
                    right.pop(picture, None)
    return right


def _check(gallery: Gallery, names: np.ndarray) -> None:
    if len(names) < 2:
        labels = f"only the label {str(names[0])!r}" if len(names) else "no labels"
        raise UsageError(
            f"gallery {gallery.name} has {labels}, and a wrong label is known by neighbours that have another one; ingest "
            "pictures in folders named after their labels, or a table with the column label: "
            f"python -m pipeline ingest {gallery.name} --dataset table:file=labels.csv"
        )


def _only(pictures: WholePictures, chosen: np.ndarray) -> WholePictures:
    return WholePictures(pictures.rows.take(chosen), False, pictures.about, pictures.gallery)


def _table(
    pictures: WholePictures, nearest: Neighbours, names: np.ndarray, verdicts: Verdicts, order: np.ndarray
) -> pd.DataFrame:
    table = pictures.rows.table.loc[order, ["id", "path", "label"]].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(order) + 1))
    table["proposed"] = names[verdicts.proposed[order]].astype(object)
    table["score"], table["proposed_score"] = verdicts.own[order], verdicts.other[order]
    table["likely"] = verdicts.likely[order]
    return table.assign(**nearest_columns(pictures, nearest, order))
