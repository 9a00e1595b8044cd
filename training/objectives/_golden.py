"""The golden feature of a run: colour and texture of the pictures, and what the network itself has learned so far."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.files import atomic
from training.data.prepared import Prepared
from training.recipes import Recipe
from training.runs import Run
from training.sampling.triplets import TripletSampler


def check(data: Prepared) -> None:
    """UsageError for pictures that have no golden feature."""
    if data.about["side"] != 64:
        raise UsageError(f"deep_ranking needs pictures prepared with --side 64, these have {data.about['side']}")


def sampler(
    run: Run,
    data: Prepared,
    embedded: Callable[[np.ndarray], np.ndarray],
    recipe: Recipe,
    *,
    rows: np.ndarray,
    write: bool,
) -> TripletSampler:
    """Triplets of `rows` by relevance. embedded: rows to (n, dim); what it says first is kept for a resume."""
    check(data)
    file = run.root / "semantic.npy"
    if file.exists():
        semantic = np.load(file)
    else:
        semantic = embedded(rows).astype(np.float16)
        if write:
            with atomic.replacing(file) as temporary, temporary.open("wb") as out:
                np.save(out, semantic)
    features = relevance.features(data.pixels[rows]) | {"semantic": semantic.astype(np.float32)}
    members, matrices = relevance.relevances(features, data.labels[rows])
    cap, gap = relevance.thresholds(matrices)
    if write:
        run.update(relevance={"weights": dict(relevance.WEIGHTS), "cap": cap, "gap": gap})
    return TripletSampler(matrices, [rows[m] for m in members], out_of_class=recipe.out_of_class, cap=cap, gap=gap)
