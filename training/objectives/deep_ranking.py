"""The paper's (Wang et al. 2014): triplets by relevance and the hinge; classification beside it keeps the labels' order.

Relevance is that of the golden feature: colour and texture of the pictures, and what the network itself has learned so far.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from torch import Tensor

from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.files import atomic
from pipeline.plugins import Card
from training.data.prepared import Prepared
from training.losses.triplet_hinge import distances, hinge
from training.objectives._objective import Context, Objective, mean_figures
from training.recipes import Phase, Recipe
from training.sampling.streamed import PART, StreamedSampler
from training.sampling.triplets import TripletSampler, check_law

CARD = Card(
    summary="triplets drawn by the golden feature, the hinge over them, classification beside it",
    source="Wang et al., CVPR 2014",
)


def build(*, capacity: int = 128) -> DeepRanking:
    """capacity: pictures that a reservoir keeps, one a label; only of the sampler of that name."""
    return DeepRanking(capacity)


class DeepRanking(Objective):
    fields = ("sampler", "golden", "margin", "out_of_class", "classification_weight")
    keeps_statistics = True
    last_is_best = (
        True  # it trades between labels and within them; the last weights are those its rate comes to rest at
    )
    classification_share = 0.85

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def phase(self, usual: Phase) -> Phase:
        if usual.head_only:
            return dataclasses.replace(usual, lr=1.5 * usual.lr, batch=3 * 1_024)
        # the paper moves pictures by pixels only: more would change their colours and layout
        decay = max(usual.weight_decay, 1e-3)
        return dataclasses.replace(usual, lr=0.1 * usual.lr, sizes=usual.sizes[-1:], weight_decay=decay, crop_min=0.8)

    def check(self, data: Prepared, rows: np.ndarray, recipe: Recipe, *, batch: int) -> None:
        if data.about["side"] != 64:  # px; other pictures have no golden feature
            raise UsageError(f"deep_ranking needs pictures prepared with --side 64, these have {data.about['side']}")
        if self.capacity < 2:
            raise UsageError(f"deep_ranking: reservoirs of {self.capacity} hold no pair; take a capacity of at least 2")
        relevance.weights_of(recipe.golden)
        check_law(recipe.out_of_class, 1.0, n_labels=len(np.unique(data.labels[rows])))

    def begin(self, context: Context) -> None:
        super().begin(context)
        context.progress("golden feature", 0, 0)
        self.sampler = golden_sampler(context, capacity=self.capacity)

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        """All anchors, then all positives, then all negatives."""
        triplets = max(world, self.context.batch // 3)
        return self.sampler.sample(triplets, seed=(self.context.recipe.seed, step))[rank::world].T.ravel()

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        recipe = self.context.recipe
        loss = hinge(*embeddings.chunk(3), margin=recipe.margin).mean()
        if recipe.classification_weight:
            loss = loss + recipe.classification_weight * self.context.classifier(embeddings, shares)
        return loss

    def figures(self, embeddings: Tensor, labels: Tensor) -> dict[str, float]:
        d_positive, d_negative = distances(*embeddings.chunk(3))
        active = d_positive + self.context.recipe.margin > d_negative
        return mean_figures(active.float(), d_positive, d_negative)


def golden_sampler(context: Context, *, capacity: int) -> TripletSampler | StreamedSampler:
    """Triplets of the context's rows. What the network says of them first is kept in the run for a resume."""
    rows, recipe = context.rows, context.recipe
    weights = relevance.weights_of(recipe.golden)
    semantic = _semantic(context)

    def features(pictures: np.ndarray) -> dict[str, np.ndarray]:
        meaning = semantic[np.searchsorted(rows, pictures)].astype(np.float32)
        return relevance.features(context.data.pixels[pictures]) | {"semantic": meaning}

    sampler: TripletSampler | StreamedSampler
    if recipe.sampler == "reservoir":
        sizes = np.unique(labels := context.labels, return_counts=True)[1]
        members = np.split(rows[np.argsort(labels, kind="stable")], np.cumsum(sizes)[:-1])
        sampler = StreamedSampler(
            features, members, capacity=capacity, out_of_class=recipe.out_of_class, seed=recipe.seed,
            weights=weights, progress=context.progress,
        )  # fmt: skip
    else:
        places, matrices = relevance.relevances(features(rows), context.labels, weights=weights)
        cap, gap = relevance.thresholds(matrices)
        sampler = TripletSampler(
            matrices, [rows[part] for part in places],
            out_of_class=recipe.out_of_class, cap=cap, gap=gap, weighted=recipe.sampler == "exact",
        )  # fmt: skip
    if context.writes:
        context.run.update(relevance={"weights": dict(weights), "cap": sampler.cap, "gap": sampler.gap})
    return sampler


def _semantic(context: Context) -> np.ndarray:
    """(n, dim) float16 of the rows, on the disk where this process writes: read from there as it is touched."""
    rows, file = context.rows, context.run.root / "semantic.npy"
    parts = np.array_split(rows, len(rows) // PART + 1)
    if not file.exists() and not context.writes:
        return np.concatenate([context.embed(part).astype(np.float16) for part in parts])
    if not file.exists():
        with atomic.replacing(file) as temporary, temporary.open("wb") as out:
            for number, part in enumerate(parts):
                found = context.embed(part).astype(np.float16)
                if not number:
                    shape = (len(rows), found.shape[1])
                    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(out, header)
                out.write(found.tobytes())
    return np.load(file, mmap_mode="r")
