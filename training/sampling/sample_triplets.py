"""Triplets in a CSV file, as the student project's `triplet_sampler.py` writes them: same name, columns and values."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.records import Dataset, Progress, silent
from training.sampling.triplets import Groups, check_labels

if TYPE_CHECKING:
    from pipeline.records import ImageRecord

HEADER = ("query", "positive", "negative")


@dataclass(frozen=True)
class TripletFile:
    """alone, unlabeled: pictures that are no query, for the run to say: one of a kind, or without a label."""

    path: Path
    count: int
    alone: int
    unlabeled: int


def sample_triplets(
    dataset: Dataset,
    *,
    training: bool,
    num_pos_images: int,
    num_neg_images: int,
    folder: Path,
    seed: int,
    progress: Progress = silent,
) -> TripletFile:
    """Write `training_triplet_sample.csv` from the train split, or `val_triplet_sample.csv` from validation.

    A row is query, positive of the same label, negative of another, as ROOT/PATH: the root's name and the picture's
    path below it. Every picture is a query, label by label, with `num_pos_images` distinct positives and for each
    `num_neg_images` distinct negatives, or as many as there are. A dataset without splits is taken whole.
    A picture alone in its label is a negative only. Raises UsageError when no triplet can be made.
    """
    for option, number in (("--num-pos-images", num_pos_images), ("--num-neg-images", num_neg_images)):
        if number < 1:
            raise UsageError(f"{option} is {number}; take at least 1")
    records, unlabeled = _labelled(dataset, "train" if training else "validation", progress)
    groups = Groups.of(np.array([record.label for record in records]))
    check_labels(groups.sizes)
    names = [f"{dataset.root.name}/{records[i].path}" for i in groups.pictures.tolist()]
    able = int((groups.sizes > 1).sum())
    path = folder / ("training_triplet_sample.csv" if training else "val_triplet_sample.csv")
    rng = np.random.default_rng(seed)
    count = done = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.disk_error(error, folder) from error
    with (
        atomic.replacing(path) as temporary,
        # surrogateescape: a file name that is not UTF-8 is written as its bytes
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        for triplets in _triplets(groups, num_pos_images, num_neg_images, rng):  # (m, 3) positions
            rows.writerows([names[q], names[p], names[n]] for q, p, n in triplets.tolist())
            count += len(triplets)
            done += len(np.unique(triplets[:, 0]))
            progress("triplets", done, able)
    return TripletFile(path, count, len(names) - able, unlabeled)


def _labelled(dataset: Dataset, split: str, progress: Progress) -> tuple[list[ImageRecord], int]:
    """Records of the split that have a label, and how many have none."""
    dataset.prepare(progress)
    records = list(dataset.records())
    splits = sorted({record.split for record in records} - {""})
    if splits and split not in splits:
        raise UsageError(
            f"the dataset has no split {split!r}, only {', '.join(splits)}; "
            "--training 1 reads train, --training 0 reads validation"
        )
    inside = [record for record in records if record.split == split or not splits]
    labelled = [record for record in inside if record.label]
    if not labelled:
        raise UsageError("the dataset has no labels, and triplets are made from them; take one with labels")
    return labelled, len(inside) - len(labelled)


def _triplets(groups: Groups, n_positives: int, n_negatives: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """For each label with two pictures: (pictures × positives × negatives, 3) positions."""
    starts, sizes = np.unique(groups.starts, return_counts=True)
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        if size == 1:
            continue
        own = np.arange(size)[:, None]
        positives = _distinct(size, size - 1, n_positives, rng)  # (size, positives)
        positives += positives >= own
        queries = np.repeat(own, positives.shape[1], axis=1)
        pairs = np.stack([queries.ravel(), positives.ravel()], axis=1) + start  # (pairs, 2)
        negatives = _distinct(len(pairs), len(groups.starts) - size, n_negatives, rng)  # (pairs, negatives)
        negatives += np.where(negatives >= start, size, 0)
        yield np.concatenate([pairs.repeat(negatives.shape[1], axis=0), negatives.reshape(-1, 1)], axis=1)


def _distinct(rows: int, n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, min(k, n)) numbers in [0, n), no two alike in a row: Floyd's sampling, all rows at once."""
    k = min(k, n)
    drawn = np.empty((rows, k), np.int64)
    for column, last in enumerate(range(n - k, n)):
        number = rng.integers(0, last + 1, rows)
        taken = (drawn[:, :column] == number[:, None]).any(axis=1)
        drawn[:, column] = np.where(taken, last, number)
    return drawn
