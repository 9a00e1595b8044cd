"""What a phase learns from: which pictures a step takes, and the loss over their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from training import losses
from training.losses.triplet_hinge import distances
from training.objectives import _siamese as siamese
from training.recipes import CLASSIFICATION, DEEP_RANKING, SIAMESE, Phase, Recipe
from training.sampling import samplers

if TYPE_CHECKING:
    from training.sampling.pairs import PairSampler
    from training.sampling.triplets import TripletSampler


class Objective(Protocol):
    """mixes: its pictures may be blended with each other (CutMix, MixUp). unit: its loss is over unit vectors."""

    mixes: bool
    unit: bool

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        """This process's rows of the prepared pictures for a step; the processes' rows together are the batch."""

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        """embeddings (n, dim), in the order of `rows`, of unit length or as the network gives them; labels (n,).

        shares: (n, n_labels), which differ from labels in mixed batches only.
        """

    def figures(self, embeddings: Tensor, labels: Tensor) -> dict[str, float]:
        """active_share, d_positive and d_negative of the triplets it sees."""


@dataclass
class Classification:
    """Shuffled batches and cosine classification."""

    train: np.ndarray  # (n,) rows to learn from
    recipe: Recipe
    classifier: nn.Module
    batch: int
    mixes: bool = True
    unit: bool = True

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        size, seed = min(self.batch, len(self.train)), self.recipe.seed
        return self.train[samplers.shuffled(len(self.train), batch_size=size, seed=seed, step=step)[rank::world]]

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        return self.classifier(embeddings, shares)

    def figures(self, embeddings: Tensor, labels: Tensor) -> dict[str, float]:
        return pair_figures(embeddings, labels, margin=self.recipe.margin)


@dataclass
class Metric:
    """P × K batches, a loss of training/losses, and classification to keep the labels apart."""

    train: np.ndarray
    labels: np.ndarray  # (n,) of `train`
    recipe: Recipe
    classifier: nn.Module
    metric: nn.Module
    batch: int
    mixes: bool = False
    unit: bool = True

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        p, seed = self.recipe.labels_per_batch, self.recipe.seed
        each = max(2, self.batch // p)
        found = samplers.p_by_k(self.labels, labels_per_batch=p, each=each, seed=seed, step=step)
        return self.train[found.reshape(p, each)[rank::world].ravel()]

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        return self.classifier(embeddings, shares) + self.recipe.metric_weight * self.metric(embeddings, labels)

    def figures(self, embeddings: Tensor, labels: Tensor) -> dict[str, float]:
        return pair_figures(embeddings, labels, margin=self.recipe.margin)


@dataclass
class GoldenTriplets:
    """The paper's: triplets by relevance and the hinge; classification beside it keeps the labels' order."""

    sampler: TripletSampler
    recipe: Recipe
    classifier: nn.Module
    hinge: nn.Module
    batch: int
    mixes: bool = False
    unit: bool = True

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        """All anchors, then all positives, then all negatives."""
        drawn = self.sampler.sample(max(world, self.batch // 3), seed=(self.recipe.seed, step))
        return drawn[rank::world].T.ravel()

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        found = self.hinge(*embeddings.chunk(3))
        if weight := self.recipe.classification_weight:
            found = found + weight * self.classifier(embeddings, shares)
        return found

    def figures(self, embeddings: Tensor, labels: Tensor) -> dict[str, float]:
        d_positive, d_negative = distances(*embeddings.chunk(3))
        return _figures(d_positive, d_negative, (d_positive + self.recipe.margin > d_negative).float().mean())


@dataclass
class Pairs:
    """Bell and Bala's: pairs of one item or of two, and one of the Siamese types' losses."""

    sampler: PairSampler  # of places in `train`
    train: np.ndarray
    recipe: Recipe
    siamese: nn.Module
    batch: int
    mixes: bool = False
    unit: bool = False

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        """All firsts, then all seconds."""
        drawn = self.sampler.sample(max(2, self.batch // 2 // world), seed=(self.recipe.seed, step, rank))
        return self.train[drawn.T.ravel()]

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        pairs = len(embeddings) // 2
        same = torch.arange(pairs, device=embeddings.device) < self.sampler.alike(pairs)
        return self.siamese(embeddings, labels, same)

    def figures(self, embeddings: Tensor, labels: Tensor) -> dict[str, float]:
        return pair_figures(embeddings, labels, margin=self.recipe.margin)


def modules(recipe: Recipe, *, dim: int, n_labels: int) -> nn.ModuleDict:
    """The losses of all phases by name, those with parameters included; a checkpoint keeps them."""
    kept = {CLASSIFICATION: _classifier(recipe, dim, n_labels)}
    for phase in recipe.phases:
        if phase.objective == DEEP_RANKING:
            kept[DEEP_RANKING] = losses.build("triplet_hinge", dim=dim, n_labels=n_labels, margin=recipe.margin)
        elif phase.objective in SIAMESE:
            kept[phase.objective] = siamese.build(phase.objective, recipe, dim=dim, n_labels=n_labels)
        elif phase.objective != CLASSIFICATION:
            kept[phase.objective] = losses.build(phase.objective, dim=dim, n_labels=n_labels)
    return nn.ModuleDict(kept)


def objective(
    phase: Phase,
    recipe: Recipe,
    kept: nn.ModuleDict,
    *,
    train: np.ndarray,
    labels: np.ndarray,
    sampler: TripletSampler | PairSampler | None,
) -> Objective:
    """labels: (n,) of `train`. sampler: for deep_ranking of rows of the prepared pictures, for SIAMESE of places in train."""
    batch = phase.batch or recipe.batch_size
    if phase.objective == CLASSIFICATION:
        return Classification(train, recipe, kept[CLASSIFICATION], batch)
    if phase.objective == DEEP_RANKING:
        return GoldenTriplets(cast("TripletSampler", sampler), recipe, kept[CLASSIFICATION], kept[DEEP_RANKING], batch)
    if phase.objective in SIAMESE:
        return Pairs(cast("PairSampler", sampler), train, recipe, kept[phase.objective], batch)
    return Metric(train, labels, recipe, kept[CLASSIFICATION], kept[phase.objective], batch)


def pair_figures(embeddings: Tensor, labels: Tensor, *, margin: float) -> dict[str, float]:
    """Over all triplets of a labelled batch; nothing where it has no positives."""
    d = (2 - 2 * embeddings @ embeddings.T).clamp(min=0)  # (n, n), squared Euclid of unit rows
    same = labels[:, None] == labels
    anchors, positives = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero(as_tuple=True)
    if not len(anchors) or same.all():
        return {}
    other = ~same[anchors]  # (pairs, n)
    active = ((d[anchors, positives][:, None] + margin > d[anchors]) & other).sum() / other.sum()
    return _figures(d[anchors, positives], d[~same], active)


def _figures(d_positive: Tensor, d_negative: Tensor, active: Tensor) -> dict[str, float]:
    mean: Sequence[Tensor] = (active, d_positive.mean(), d_negative.mean())
    return dict(zip(("active_share", "d_positive", "d_negative"), (float(x) for x in mean), strict=True))


def _classifier(recipe: Recipe, dim: int, n_labels: int) -> nn.Module:
    options = {"scale": recipe.scale, "label_smoothing": recipe.label_smoothing}
    return losses.build("cosine_classification", dim=dim, n_labels=n_labels, **options)
