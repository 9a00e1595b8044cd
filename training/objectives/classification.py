"""Shuffled batches and cosine classification: what every run begins with, and what stands beside most other losses."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from pipeline import plugins
from pipeline.plugins import Card
from training.objectives._objective import Objective
from training.recipes import Recipe
from training.sampling import samplers

CARD = Card(summary="cosine classification with label smoothing, shuffled batches")


def build() -> Classification:
    return Classification()


class Classification(Objective):
    mixes = True
    classification_share = 1.0

    def module(self, recipe: Recipe, *, dim: int, n_labels: int) -> nn.Module:
        return plugins.build(
            "training.losses", "cosine_classification", dim=dim, n_labels=n_labels,
            scale=recipe.scale, label_smoothing=recipe.label_smoothing,
        )  # fmt: skip

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        rows, seed = self.context.rows, self.context.recipe.seed
        size = min(self.context.batch, len(rows))
        return rows[samplers.shuffled(len(rows), batch_size=size, seed=seed, step=step)[rank::world]]

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        return self.context.classifier(embeddings, shares)
