"""What a step shows the network: prepared pictures, augmented as the recipe says, with the share of each label in them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.data import augment
from training.data.pixels import Pixels
from training.recipes import Recipe


def views(
    pixels: Pixels,
    rows: np.ndarray,
    shares: Tensor,
    recipe: Recipe,
    *,
    side: int,
    crop_min: float,
    mixes: bool,
    chance: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """(normalised pictures (n, 3, side, side), shares (n, n_labels)). mixes: pictures may lose or share their content.

    shares: one-hot labels; in mixed batches what comes back differs from them.
    """
    pictures = augment.crops(pixels.take(rows), side, smallest=crop_min, generator=chance)
    if recipe.jitter and mixes:
        pictures = augment.jittered(pictures, recipe.jitter, generator=chance)
    pictures = pixels.normalised(pictures)
    if recipe.erase and mixes:
        pictures = augment.erased(pictures, recipe.erase, generator=chance)
    if (recipe.cutmix or recipe.mixup) and mixes:
        pictures, partner, own = augment.mixed(pictures, cutmix=recipe.cutmix, mixup=recipe.mixup, generator=chance)
        shares = own * shares + (1 - own) * shares[partner]
    return pictures, shares
