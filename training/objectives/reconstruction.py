"""A convolutional autoencoder: a small decoder draws the picture again from its embedding, and no label is asked."""

from __future__ import annotations

from typing import Literal

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import UsageError
from pipeline.plugins import Card
from training.objectives._objective import Objective
from training.recipes import Phase, Recipe
from training.sampling import samplers

CARD = Card(
    summary="mean squared error of the picture that a small decoder draws from the embedding, no labels",
    source="Masci et al., ICANN 2011",
)
START = 4  # px: side of the maps that the decoder begins with


def build(*, side: Literal[8, 16, 32, 64] = 32, maps: int = 128) -> Reconstruction:
    """side: px of the picture that the decoder draws. maps: those it begins with, 8 to 1,024; half as many each time it doubles."""
    if not 8 <= maps <= 1_024:
        raise UsageError(f"reconstruction: maps={maps} is not between 8 and 1,024")
    return Reconstruction(side, maps)


class Reconstruction(Objective):
    """The decoder is trained with the network and kept in checkpoints only: the run is an encoder like any other.

    The error is of normalised pixels, so 1 is that of an answer which is always the mean colour.
    """

    needs_labels = False
    tunes_head = False
    last_is_best = True
    classification_share = 0.0

    def __init__(self, side: int, maps: int) -> None:
        self.side, self.maps = int(side), maps

    def phase(self, usual: Phase) -> Phase:
        return usual

    def module(self, recipe: Recipe, *, dim: int, n_labels: int) -> nn.Module:
        return decoder(dim, side=self.side, maps=self.maps)

    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        rows, seed = self.context.rows, self.context.recipe.seed
        return rows[samplers.shuffled(len(rows), batch_size=self.context.batch, seed=seed, step=step)[rank::world]]

    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        side = (self.side, self.side)
        truth = F.interpolate(self.pictures, side, mode="bilinear", antialias=True, align_corners=False)
        return F.mse_loss(self.context.module(embeddings), truth)


def decoder(dim: int, *, side: int, maps: int) -> nn.Sequential:
    """(n, dim) to (n, 3, side, side): a linear layer to START px, then twice as large by each convolution."""
    parts: list[nn.Module] = [nn.Linear(dim, maps * START**2), nn.Unflatten(1, (maps, START, START))]
    here = START
    while here < side:
        after = max(8, maps // 2)
        parts += [nn.BatchNorm2d(maps), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(maps, after, 3, padding=1)]
        here, maps = 2 * here, after
    return nn.Sequential(*parts, nn.BatchNorm2d(maps), nn.ReLU(), nn.Conv2d(maps, 3, 3, padding=1))
