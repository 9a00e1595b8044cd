"""The Siamese types of Bell and Bala (SIGGRAPH 2015, figure 5): classification, a contrastive term, or both, over pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.data.prepared import Prepared
from training.losses.contrastive import SQUARE_MARGIN, of_pairs
from training.objectives._objective import Context, Objective
from training.recipes import Phase, Recipe
from training.sampling.pairs import PairSampler

SOURCE = "Bell and Bala, SIGGRAPH 2015"


@dataclass
class Siamese(Objective):
    """on_unit: the contrastive term sees the embedding after its L2 norm, else the network's outputs as they are."""

    classification: bool
    contrastive: bool
    on_unit: bool = False

    fields = ("same_share",)
    unit = False
    tunes_head = False
    classification_share = 0.0  # pairs from the first step on, so that the types differ in nothing but the loss

    def __post_init__(self) -> None:
        if self.contrastive:
            self.fields = ("square_margin", "same_share")

    def phase(self, usual: Phase) -> Phase:
        return usual

    def check(self, data: Prepared, rows: np.ndarray, recipe: Recipe, *, batch: int) -> None:
        _sampler(data, rows, recipe)

    def module(self, recipe: Recipe, *, dim: int, n_labels: int) -> SiameseLoss:
        return SiameseLoss(self, recipe, dim=dim, n_labels=n_labels)

    def begin(self, context: Context) -> None:
        super().begin(context)
        self.sampler = _sampler(context.data, context.rows, context.recipe)

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        """All firsts, then all seconds."""
        pairs = max(2, self.context.batch // 2 // world)
        drawn = self.sampler.sample(pairs, seed=(self.context.recipe.seed, step, rank))
        return self.context.rows[drawn.T.ravel()]

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        pairs = len(embeddings) // 2
        same = torch.arange(pairs, device=embeddings.device) < self.sampler.alike(pairs)
        return self.context.module(embeddings, labels, same)


class SiameseLoss(nn.Module):
    """Where there is no L2 norm the contrastive mean is weighted by 2 / m², which brings its plateau near the classifier's."""

    def __init__(self, kind: Siamese, recipe: Recipe, *, dim: int, n_labels: int) -> None:
        """The recipe's square_margin is instead of the kind's own where it is > 0."""
        super().__init__()
        self.kind = kind
        # Without the L2 norm the paper tries m² up to 1,000. Here the last BatchNorm makes a squared length of dim, so that
        # 0.2 dim would push nothing apart and only pull together: measured, docs/experiments.md
        self.square_margin = recipe.square_margin or (SQUARE_MARGIN if kind.on_unit else float(dim))
        self.label_smoothing = recipe.label_smoothing
        self.classifier = nn.Linear(dim, n_labels) if kind.classification else None

    def forward(self, outputs: Tensor, labels: Tensor, same: Tensor) -> Tensor:
        """outputs: (2n, dim), all firsts of the pairs, then all seconds. labels: (2n,). same: (n,) bool."""
        loss = outputs.new_zeros(())
        if self.classifier is not None:
            loss = F.cross_entropy(self.classifier(outputs), labels, label_smoothing=self.label_smoothing)
        if self.kind.contrastive:
            seen = F.normalize(outputs, dim=1) if self.kind.on_unit else outputs
            weight = 1.0 if self.kind.on_unit else 2 / self.square_margin
            loss = loss + weight * of_pairs(*seen.chunk(2), same, square_margin=self.square_margin).mean()
        return loss


def _sampler(data: Prepared, rows: np.ndarray, recipe: Recipe) -> PairSampler:
    """Of places in `rows`."""
    return PairSampler(data.items[rows], data.categories[rows], same=recipe.same_share)
