"""A plain loss of training/losses as an objective: P × K batches, and classification to keep the labels apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from pipeline import plugins
from training.objectives._objective import Objective
from training.sampling import samplers

if TYPE_CHECKING:
    from training.data.prepared import Prepared
    from training.recipes import Recipe


class Metric(Objective):
    def __init__(self, spec: str) -> None:
        """spec: of a file of training/losses, with its options."""
        self.spec = spec

    def check(self, data: Prepared, rows: np.ndarray, recipe: Recipe, *, batch: int) -> None:
        _p_by_k(data.labels[rows], recipe, batch, step=0)

    def module(self, recipe: Recipe, *, dim: int, n_labels: int) -> nn.Module:
        return plugins.build("training.losses", self.spec, dim=dim, n_labels=n_labels)

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        labels, recipe = self.context.labels, self.context.recipe
        drawn = _p_by_k(labels, recipe, self.context.batch, step=step)
        return self.context.rows[drawn.reshape(recipe.labels_per_batch, -1)[rank::world].ravel()]

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        weight = self.context.recipe.metric_weight
        return self.context.classifier(embeddings, shares) + weight * self.context.module(embeddings, labels)


def _p_by_k(labels: np.ndarray, recipe: Recipe, batch: int, *, step: int) -> np.ndarray:
    p = recipe.labels_per_batch
    return samplers.p_by_k(labels, labels_per_batch=p, each=max(2, batch // p), seed=recipe.seed, step=step)
