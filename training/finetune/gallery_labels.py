"""What a gallery teaches: its labels or people's tags, splits that no picture straddles, and what people judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.duplicates.find import judged as judged_pairs
from pipeline.errors import UsageError
from pipeline.gallery import feedback
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.tags import tags
from pipeline.records import ImageRecord, Rows
from training.data.prepare import TEST_SPLITS, splits
from training.finetune.head import Judged

Source = Literal["labels", "tags", "both"]
FEW = 1000  # labelled pictures; below, a fifth of each label is for dev and for test, else a tenth


@dataclass(frozen=True)
class Lesson:
    """rows: of the gallery that have a label, with their embeddings. labels, split: (n,); split is train, dev or test.

    notes: what was left out and why, as sentences.
    """

    rows: Rows
    labels: np.ndarray
    split: np.ndarray
    judged: Judged
    notes: list[str]

    def part(self, name: str) -> np.ndarray:
        return np.flatnonzero(self.split == name)


def lesson(gallery: Gallery, rows: Rows, *, source: Source = "labels", seed: int = 0) -> Lesson:
    """source: `labels` of the dataset, people's `tags`, or both, where a tag outdoes a label.

    Labels bring the dataset's own splits where it has a test; else, and with tags, the splits are drawn by label, and
    the parts of one picture stay together. Raises UsageError when that leaves nothing to learn or to measure.
    """
    labels, notes = _labels(gallery, rows.table, source)
    labelled = np.flatnonzero(labels != "")
    table = rows.table.iloc[labelled].reset_index(drop=True)
    labels = labels[labelled]
    split = _splits(table, labels, own=source == "labels", seed=seed)
    _check(gallery, labels, split, source)
    judged, more = _judged(gallery, table["id"].tolist(), np.flatnonzero(split == "train"))
    return Lesson(Rows(table, rows.embeddings[labelled]), labels, split, judged, notes + more)


def _labels(gallery: Gallery, table: pd.DataFrame, source: Source) -> tuple[np.ndarray, list[str]]:
    labels = table["label"].to_numpy(object) if source != "tags" else np.full(len(table), "", object)
    if source == "labels":
        return labels.copy(), []
    place = {picture: row for row, picture in enumerate(table["id"])}
    given: dict[str, list[str]] = {}
    for name, ids in tags(gallery).items():
        for picture in ids & place.keys():
            given.setdefault(picture, []).append(name)
    several = {picture for picture, names in given.items() if len(names) > 1}
    labels = labels.copy()
    for picture, names in given.items():
        labels[place[picture]] = names[0] if picture not in several else ""
    notes = [f"{len(several):,} pictures have more than one tag and were left out"] if several else []
    return labels, notes


def _splits(table: pd.DataFrame, labels: np.ndarray, *, own: bool, seed: int) -> np.ndarray:
    test = next((name for name in TEST_SPLITS if (table["split"] == name).any()), "") if own else ""
    kept = table["split"] if own else np.full(len(table), "")
    records = [ImageRecord("", label, name) for label, name in zip(labels, kept, strict=True)]
    drawn = np.array(splits(records, test, dev_share=0.1 if len(table) >= FEW else 0.2, seed=seed))
    whole = table["parent"].where(table["parent"] != "", table["id"]).to_numpy()
    _, first, of = np.unique(whole, return_index=True, return_inverse=True)
    return drawn[first[of]]


def _check(gallery: Gallery, labels: np.ndarray, split: np.ndarray, source: Source) -> None:
    learned, tested = (Counter(labels[split == name].tolist()) for name in ("train", "test"))
    measured = sum(count for label, count in tested.items() if learned[label])
    if len(learned) >= 2 and measured >= 2:
        return
    what = {"labels": "labels", "tags": "tags", "both": "labels and tags"}[source]
    sizes = Counter(labels.tolist())
    most = ", ".join(f"{label} ({count})" for label, count in sizes.most_common(5)) or "none"
    raise UsageError(
        f"the {what} of gallery {gallery.name} are too few to learn from and to measure with: {most}. Two with at least "
        "3 pictures each are needed, ten are a beginning: tag pictures on the Explore page, or take --labels-from tags"
    )


def _judged(gallery: Gallery, ids: list[str], train: np.ndarray) -> tuple[Judged, list[str]]:
    """Of training pictures only: what is measured must not have been learned."""
    place = {ids[row]: int(row) for row in train}
    kept, turned = feedback.kept(gallery)
    triplets = [tuple(place[picture] for picture in triplet) for triplet in kept if place.keys() >= set(triplet)]
    pairs = {
        tuple(sorted(place[picture] for picture in pair)): same
        for pair, same in judged_pairs(gallery).items()
        if pair <= place.keys()
    }
    notes = (
        [f"{turned:,} judgments contradict a later one of the same two pictures; the later one counts"]
        if turned
        else []
    )
    notes += (
        [f"learned too: {len(triplets):,} triplets of what was liked, {len(pairs):,} pairs judged the same or not"]
        if triplets or pairs
        else []
    )
    return Judged(
        np.array(triplets, np.int64).reshape(-1, 3),
        np.array(list(pairs), np.int64).reshape(-1, 2),
        np.array(list(pairs.values()), bool),
    ), notes


def worst(values: Sequence[float] | np.ndarray, labels: np.ndarray, count: int = 6) -> list[str]:
    """Labels with the lowest mean, a nan being no value; the lowest first."""
    means = pd.Series(values).groupby(labels).mean().dropna().sort_values(kind="stable")
    return [str(label) for label in means.index[:count]]
