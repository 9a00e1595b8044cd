"""Random views of a whole batch at once, on the device; every draw comes from one generator, so a step can be repeated."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.pixels import Pixels
from training.recipes import Recipe


def crops(pictures: Tensor, side: int, *, smallest: float, generator: torch.Generator) -> Tensor:
    """(n, 3, s, s) to (n, 3, side, side): each a random rectangle resized, half of them mirrored.

    smallest: least share of the picture's area; the rectangle's sides differ by 4:3 at most.
    """
    n, _, full, _ = pictures.shape
    u = torch.rand(5, n, generator=generator)
    area = smallest + (1 - smallest) * u[0]
    most = torch.minimum(torch.tensor(math.log(4 / 3)), -area.log())  # a larger ratio would not fit into the picture
    ratio = torch.exp((2 * u[1] - 1) * most)
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    across, down = (2 * u[2] - 1) * (1 - width), (2 * u[3] - 1) * (1 - height)  # centre, in [-1, 1]
    mirror = torch.where(u[4] < 0.5, -1.0, 1.0)
    zero = torch.zeros(n)
    theta = torch.stack([width * mirror, zero, across, zero, height, down], dim=1).view(n, 2, 3)
    times = 2 if side < full else 1  # averaging four samples a pixel keeps a smaller picture free of aliasing
    grid = F.affine_grid(theta.to(pictures), [n, 3, side * times, side * times], align_corners=False)
    views = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return F.avg_pool2d(views, times) if times > 1 else views


def jittered(pictures: Tensor, strength: float, *, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation of pixels in [0, 1], each by a random factor within 1 ± strength."""
    n = len(pictures)
    light, contrast, colour = (1 + strength * (2 * torch.rand(3, n, 1, 1, 1, generator=generator) - 1)).to(pictures)
    pictures = pictures * light
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = mean + contrast * (pictures - mean)
    grey = pictures.mean(dim=1, keepdim=True)
    return (grey + colour * (pictures - grey)).clamp(0, 1)


def erased(pictures: Tensor, share: float, *, generator: torch.Generator) -> Tensor:
    """A share of normalised pictures gets a random rectangle of 2 to 33 % of its area set to 0, the mean colour."""
    n, _, height, width = pictures.shape
    u = torch.rand(5, n, 1, 1, generator=generator)
    area, ratio = 0.02 + 0.31 * u[0], torch.exp((2 * u[1] - 1) * math.log(3))
    half_x, half_y = (area * ratio).sqrt() / 2, (area / ratio).sqrt() / 2
    xs, ys = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    inside = ((xs - u[2]).abs() < half_x) & ((ys.view(-1, 1) - u[3]).abs() < half_y) & (u[4] < share)
    return pictures.masked_fill(inside.unsqueeze(1).to(pictures.device), 0.0)


def mixed(pictures: Tensor, *, cutmix: float, mixup: float, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """(pictures, partner (n,), share of the own label): CutMix in a share of batches, MixUp in another, else untouched.

    CutMix (Yun et al. 2019, α = 1) pastes a partner's rectangle, MixUp (Zhang et al. 2018, α = 0.2) blends.
    """
    n, _, height, width = pictures.shape
    partner = torch.randperm(n, generator=generator)
    choice, u, x, y = torch.rand(4, generator=generator).tolist()
    if choice < cutmix:
        half = (1 - u) ** 0.5 / 2  # the pasted area is 1 - u, and Beta(1, 1) is uniform
        left, right = round(max(0, x - half) * width), round(min(1, x + half) * width)
        top, bottom = round(max(0, y - half) * height), round(min(1, y + half) * height)
        out = pictures.clone()
        out[:, :, top:bottom, left:right] = pictures[partner][:, :, top:bottom, left:right]
        return out, partner, 1 - (right - left) * (bottom - top) / (height * width)
    if choice < cutmix + mixup:
        # Beta(0.2, 0.2) as a ratio of two Gamma(0.2): u^(1/α) by Jöhnk's method, repeated until it is accepted
        while True:
            a, b = (torch.rand(2, generator=generator) ** 5).tolist()
            if 0 < a + b <= 1:
                break
        share = a / (a + b)
        return share * pictures + (1 - share) * pictures[partner], partner, share
    return pictures, partner, 1.0


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
    pictures = crops(pixels.take(rows), side, smallest=crop_min, generator=chance)
    if recipe.jitter and mixes:
        pictures = jittered(pictures, recipe.jitter, generator=chance)
    pictures = pixels.normalised(pictures)
    if recipe.erase and mixes:
        pictures = erased(pictures, recipe.erase, generator=chance)
    if (recipe.cutmix or recipe.mixup) and mixes:
        pictures, partner, own = mixed(pictures, cutmix=recipe.cutmix, mixup=recipe.mixup, generator=chance)
        shares = own * shares + (1 - own) * shares[partner]
    return pictures, shares
