"""The last layer that learns from kept features: principal components, then labels and triplets, then one linear layer.

Triplets and hinge are those of Wang et al. 2014 (sections 2 and 4, eq. 1 and 3), classification is cosine
classification. `keep` holds the similarities of the untrained components, which carry over to photos no label is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.errors import UsageError
from pipeline.features import pca
from pipeline.features.appearance import unit
from pipeline.networks.deep_ranking import DeepRanking
from pipeline.networks.frozen import seeded
from training.losses.cosine_classification import CosineClassification
from training.losses.triplet_hinge import hinge

COMPONENTS = {"deep": 400, "shallow": 96, "grid": 320}  # of each part, at most
BATCH, KEPT_BATCH, KEPT_DIM = 192, 512, 300
RATE, WARM_UP, MARGIN = 1e-3, 0.1, 0.1


class Components:
    """Each part of what a last layer sees: centred, its first principal components, scaled to its share of the whole."""

    def __init__(self, parts: Mapping[str, np.ndarray], rows: np.ndarray, *, shares: Mapping[str, float]) -> None:
        """rows: of the pictures that mean and axes come from. shares: the root mean square length of each part."""
        self._maps = {}
        for name, part in parts.items():
            mean, axes, length = _axes(part[rows].astype(np.float32), COMPONENTS[name])
            self._maps[name] = mean, axes * (shares[name] / length)  # (d,), (d, k)

    def of(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n, d) each to (n, sum of k)."""
        found = [(parts[name].astype(np.float32) - mean) @ axes for name, (mean, axes) in self._maps.items()]
        return np.concatenate(found, axis=1).astype(np.float32)

    def fold(self, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A layer (sum of k, dim), (dim,) on components as one on the parts side by side: (sum of d, dim), (dim,)."""
        rows, start = [], 0
        for mean, axes in self._maps.values():
            rows.append(axes @ weight[start : start + axes.shape[1]])
            bias, start = bias - mean @ rows[-1], start + axes.shape[1]
        return np.concatenate(rows), bias


def _axes(part: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean (d,), the first axes (d, at most k), and the root mean square length of the centred rows (n, d).

    Randomised (Halko, Martinsson and Tropp, 2011), as all axes of 3,168 dimensions would take minutes.
    """
    mean = part.mean(0)
    centred = torch.from_numpy(part - mean)
    with seeded(0):
        _, spread, axes = torch.svd_lowrank(centred, min(k, *centred.shape), niter=4)
    seen = spread > 1e-3 * spread[0]  # few pictures do not vary along all axes
    return mean, axes[:, seen].numpy(), float(centred.square().sum(1).mean().sqrt())


@dataclass(frozen=True)
class Lessons:
    """labels: one for each of `rows`. triplets: (weight, (n, 3) rows: anchor, closer, farther)."""

    rows: np.ndarray
    labels: np.ndarray
    triplets: Sequence[tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Settings:
    """steps=0: principal components alone. ranking: weight of the triplets. keep: of the untrained similarities.

    beyond: how much farther than it came the weights go in the direction that ranking moved them, away from what
    classification alone had learned in as many steps.
    """

    dim: int = 256
    steps: int = 300
    ranking: float = 0.12
    keep: float = 0.7
    beyond: float = 0.5


def learn(components: np.ndarray, lessons: Lessons, settings: Settings, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight (k, dim) and bias (dim,) on components (n, k). UsageError when dim is larger than k."""
    k = components.shape[1]
    if settings.dim > k:
        raise UsageError(
            f"--dim {settings.dim} is more than the {k} principal components of these pictures; take fewer dimensions or more pictures"
        )
    axes = pca.fit(components)[1].astype(np.float32)  # of what is centred already
    start, kept = axes[: settings.dim].T, unit(components @ axes[:KEPT_DIM].T)
    if not settings.steps:
        return start, np.zeros(settings.dim, np.float32)
    weight, bias = _learned(components, start, kept, lessons, settings, settings.ranking, seed)
    if settings.ranking and settings.beyond:
        labels_only = _learned(components, start, kept, lessons, settings, 0.0, seed)
        weight += settings.beyond * (weight - labels_only[0])
        bias += settings.beyond * (bias - labels_only[1])
    return weight, bias


def _learned(
    components: np.ndarray, start: np.ndarray, kept: np.ndarray, lessons: Lessons, settings: Settings, ranking: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    random = np.random.default_rng(seed)
    inputs, untrained = torch.from_numpy(components), torch.from_numpy(kept)
    weight, bias = torch.from_numpy(start.copy()).requires_grad_(), torch.zeros(settings.dim, requires_grad=True)
    names, codes = np.unique(lessons.labels, return_inverse=True)
    with seeded(seed):
        classifier = CosineClassification(dim=settings.dim, n_labels=len(names), scale=16, label_smoothing=0.1)

    def embed(rows: np.ndarray) -> Tensor:
        return F.normalize(inputs[rows] @ weight + bias, dim=1)

    with torch.no_grad():  # a label begins with the mean embedding of its pictures
        sums = torch.zeros_like(classifier.weight).index_add_(0, torch.from_numpy(codes), embed(lessons.rows))
        classifier.weight.copy_(F.normalize(sums, dim=1))
    groups: list[dict[str, Any]] = [{"params": [weight, bias]}, {"params": [classifier.weight]}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [RATE, 2 * RATE], total_steps=settings.steps, pct_start=WARM_UP
    )
    for _ in range(settings.steps):
        drawn = random.integers(len(lessons.rows), size=BATCH)
        loss = classifier(embed(lessons.rows[drawn]), torch.from_numpy(codes[drawn]))
        for share, triplets in lessons.triplets if ranking else ():
            three = triplets[random.integers(len(triplets), size=2 * BATCH)]  # (m, 3)
            rows, places = np.unique(three, return_inverse=True)
            embedded = embed(rows)[torch.from_numpy(places.reshape(three.shape))]  # (m, 3, dim)
            loss = loss + ranking * share / MARGIN * hinge(*embedded.unbind(1), margin=MARGIN).mean()
        if settings.keep:
            rows = lessons.rows[random.integers(len(lessons.rows), size=KEPT_BATCH)]
            now, before = embed(rows), untrained[rows]
            loss = loss + settings.keep * 100 * (now @ now.T - before @ before.T).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return weight.detach().numpy(), bias.detach().numpy()


@torch.no_grad()
def fold_into(
    network: DeepRanking, components: Components, weight: np.ndarray, bias: np.ndarray, embedded: np.ndarray
) -> None:
    """Make this the network's last layer, turned so that each prefix of an embedding holds what varies most.

    embedded: (n, dim) of unit length, whose principal axes order the dimensions. The layer's scale is free, as the
    embedding has unit length: it is what half precision holds best.
    """
    axes = pca.fit(embedded)[1]
    folded, offset = components.fold(weight.astype(np.float64) @ axes.T, bias @ axes.T)
    scale = 1 / np.abs(folded).max()
    network.head.weight.copy_(torch.from_numpy(folded.T * scale))
    network.head.bias.copy_(torch.from_numpy(offset * scale))
