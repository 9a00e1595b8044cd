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
from training.sampling.triplets import TripletSampler, check_law

CARD = Card(
    summary="triplets drawn by the golden feature, the hinge over them, classification beside it",
    source="Wang et al., CVPR 2014",
)


def build() -> DeepRanking:
    return DeepRanking()


class DeepRanking(Objective):
    fields = ("margin", "out_of_class", "classification_weight")
    keeps_statistics = True
    last_is_best = (
        True  # it trades between labels and within them; the last weights are those its rate comes to rest at
    )
    classification_share = 0.85

    def phase(self, usual: Phase) -> Phase:
        if usual.head_only:
            return dataclasses.replace(usual, lr=1.5 * usual.lr, batch=3 * 1_024)
        # the paper moves pictures by pixels only: more would change their colours and layout
        decay = max(usual.weight_decay, 1e-3)
        return dataclasses.replace(usual, lr=0.1 * usual.lr, sizes=usual.sizes[-1:], weight_decay=decay, crop_min=0.8)

    def check(self, data: Prepared, rows: np.ndarray, recipe: Recipe, *, batch: int) -> None:
        if data.about["side"] != 64:  # px; other pictures have no golden feature
            raise UsageError(f"deep_ranking needs pictures prepared with --side 64, these have {data.about['side']}")
        check_law(recipe.out_of_class, 1.0, n_labels=len(np.unique(data.labels[rows])))

    def begin(self, context: Context) -> None:
        super().begin(context)
        context.progress("golden feature", 0, 0)
        self.sampler = golden_sampler(context)

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


def golden_sampler(context: Context) -> TripletSampler:
    """Triplets of the context's rows. What the network says of them first is kept in the run for a resume."""
    rows, file = context.rows, context.run.root / "semantic.npy"
    if file.exists():
        semantic = np.load(file)
    else:
        semantic = context.embed(rows).astype(np.float16)
        if context.writes:
            with atomic.replacing(file) as temporary, temporary.open("wb") as out:
                np.save(out, semantic)
    features = relevance.features(context.data.pixels[rows]) | {"semantic": semantic.astype(np.float32)}
    members, matrices = relevance.relevances(features, context.labels)
    cap, gap = relevance.thresholds(matrices)
    if context.writes:
        context.run.update(relevance={"weights": dict(relevance.WEIGHTS), "cap": cap, "gap": gap})
    share = context.recipe.out_of_class
    return TripletSampler(matrices, [rows[m] for m in members], out_of_class=share, cap=cap, gap=gap)
