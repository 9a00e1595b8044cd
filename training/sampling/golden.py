"""The golden feature's weights, learned from judgments by the largest margin, as the paper does (Wang et al. 2014, section 4).

A judgment is a triplet: of two pictures, the one that somebody finds more similar to the anchor. Half of the anchors
teach and the others are held out, so that before and after are measured on judgments that taught nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.gallery import appearances, feedback
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import intervals
from pipeline.records import Dataset, Encoder, Progress, silent
from training.results.evaluate import encode, of_files
from training.sampling import human_triplets
from training.sampling.triplets import graded

NAMES = tuple(relevance.WEIGHTS)
LEAST = 20  # judgments, on each side
SOFTNESS = 1e-3  # of the margin: weight of the norm beside the mean loss


@dataclass(frozen=True)
class Judged:
    """features: (n, dim) unit rows by name. triplets: (t, 3) rows: anchor, closer, farther. groups: (n,) what a picture
    shows, where several show the same: its judgments are all taught or all held out. judges: who said it."""

    features: Mapping[str, np.ndarray]
    triplets: np.ndarray
    groups: np.ndarray
    judges: str


def fit(judged: Judged, *, seed: int = 0) -> dict[str, Any]:
    """{"weights", "before", "after", "difference", "taught", "held_out", "judges", "seed"}.

    before, after: share of held-out judgments that the usual and the learned weights agree with, with 95 %;
    difference: of the same judgments. Raises UsageError for fewer than 2 × LEAST judgments, or anchors.
    """
    names = [name for name in NAMES if name in judged.features]
    rows = differences(judged, names)
    anchors = judged.groups[judged.triplets[:, 0]]
    order = np.random.default_rng(seed).permutation(np.unique(anchors))
    teaches = np.isin(anchors, order[: len(order) // 2])
    if min(teaches.sum(), (~teaches).sum()) < LEAST:
        raise UsageError(
            f"{len(rows)} judgments of {len(order)} anchors, {teaches.sum()} of them in the half that teaches: at least "
            f"{LEAST} are needed there and {LEAST} held out; judge more pictures"
        )
    learned = dict(zip(names, largest_margin(rows[teaches]), strict=True))
    usual = {name: relevance.WEIGHTS[name] for name in names}
    before, after = (agrees(rows[~teaches], [by[name] for name in names]) for by in (usual, learned))
    parts = {"before": before, "after": after, "difference": after - before}
    return {
        "weights": {name: round(float(weight), 4) for name, weight in learned.items()},
        **{name: intervals.interval(values, seed=seed).rounded(4) for name, values in parts.items()},
        "taught": int(teaches.sum()),
        "held_out": int((~teaches).sum()),
        "judges": judged.judges,
        "seed": seed,
    }


def differences(judged: Judged, names: Sequence[str]) -> np.ndarray:
    """(t, features): how much more alike the closer picture is by each, in standard deviations of the judged pairs."""
    anchor, closer, farther = judged.triplets.T
    columns = []
    for name in names:
        rows = judged.features[name]
        near, far = (np.einsum("td,td->t", rows[anchor].astype(np.float64), rows[other]) for other in (closer, farther))
        columns.append((near - far) / max(np.concatenate([near, far]).std(), relevance.NOISE))
    return np.stack(columns, axis=1)


def largest_margin(rows: np.ndarray) -> np.ndarray:
    """(f,) weights ≥ 0 that add up to 1, of the linear ranking machine w · row ≥ 1 with a squared hinge.

    UsageError where no feature agrees with the judgments.
    """
    from scipy.optimize import minimize

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        slack = np.maximum(0, 1 - rows @ w)  # (t,)
        return SOFTNESS / 2 * w @ w + (slack**2).mean(), SOFTNESS * w - 2 * (slack[:, None] * rows).mean(axis=0)

    found = minimize(loss, np.full(rows.shape[1], 1.0), jac=True, method="L-BFGS-B", bounds=[(0, None)] * rows.shape[1])
    if not found.x.sum() > 0:
        raise UsageError(
            "none of colour, texture and meaning agrees with these judgments; check that closer comes first"
        )
    return np.asarray(found.x / found.x.sum())


def agrees(rows: np.ndarray, by: Sequence[float]) -> np.ndarray:
    """(t,) 1 where the weights agree with a judgment, 0 where not, 1/2 for a tie."""
    return (1 + np.sign(np.round(rows @ np.asarray(by), 9))) / 2


def of_gallery(gallery: Gallery, *, progress: Progress = silent) -> Judged:
    """The likes and dislikes that were kept while searching; meaning is the gallery's own encoder."""
    said, _ = feedback.kept(gallery)
    looks = appearances.of_gallery(gallery, progress=progress)
    known = [triplet for triplet in said if all(picture in looks.rows_of for picture in triplet)]
    if not known:
        raise UsageError(
            f"gallery {gallery.name} holds no judgment that can be learned from; like and dislike hits of a picture while "
            "searching and keep them"
        )
    pictures = sorted({picture for triplet in known for picture in triplet})
    place = {picture: row for row, picture in enumerate(pictures)}
    rows = [looks.rows_of[picture] for picture in pictures]
    features = {name: looks.features(name, rows) for name in ("colour", "texture")}
    triplets = np.array([[place[picture] for picture in triplet] for triplet in known])
    judges = f"gallery {gallery.name}"
    return Judged(features | {"semantic": looks.rows.embeddings[rows]}, triplets, np.arange(len(pictures)), judges)


def of_people(file: Path, root: Path, encoder: Encoder, *, progress: Progress = silent) -> Judged:
    """human_triplets: those whose three pictures are there."""
    resolved = human_triplets.resolve(human_triplets.load(file), root)
    if not resolved.triplets:
        raise UsageError(f"{file}: {resolved.report()}; give the folder that holds the pictures with --pictures")
    paths = sorted({path for three in resolved.triplets for path in three})
    place = {path: row for row, path in enumerate(paths)}
    triplets = np.array([[place[path] for path in three] for three in resolved.triplets])
    return Judged(_features(encoder, root, paths, progress), triplets, np.arange(len(paths)), file.name)


def of_grades(
    dataset: Dataset, encoder: Encoder, *, n: int = 5_000, seed: int = 0, progress: Progress = silent
) -> Judged:
    """The catalogue's exact grades as judges, within a kind; the views of one item are all taught or all held out."""
    dataset.prepare(progress)
    records = list(dataset.records())
    features = _features(encoder, dataset.root, [record.path for record in records], progress)
    items = np.unique([record.metadata["item"] for record in records], return_inverse=True)[1]
    return Judged(features, graded(records, n, seed=seed), items, "the catalogue's grades")


def read(text: str) -> tuple[dict[str, float], dict[str, Any]]:
    """What `--golden` says: weights, or a file that `fit-golden` wrote, whose report comes with them. UsageError."""
    if not text.endswith(".json"):
        return relevance.weights_of(text), {}
    try:
        report = json.loads(Path(text).expanduser().read_text(encoding="utf-8"))
        return relevance.weights_of(relevance.written_weights(report["weights"], NAMES)), report
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"cannot read the weights of {text} ({error}); make it with `fit-golden {text}`") from error


def _features(encoder: Encoder, root: Path, paths: Sequence[str], progress: Progress) -> dict[str, np.ndarray]:
    opened: Callable[[int], Image.Image] = of_files(root, paths)
    small = np.stack([appearances.square(opened(i)) for i in range(len(paths))])
    return relevance.features(small) | {"semantic": encode(encoder, len(paths), opened, progress=progress)}
