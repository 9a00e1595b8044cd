"""Filters of the low-resolution paths without labels: k-means of whitened patches, on the unit sphere.

Coates, Ng and Lee, "An analysis of single-layer networks in unsupervised feature learning", AISTATS 2011; Coates and Ng,
"Learning feature representations with k-means", 2012.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.features.appearance import unit
from pipeline.networks.deep_ranking import LowResolution

PATCHES, ROUNDS = 20_000, 15
FLOOR = 0.05  # of the mean variance, added to each when whitening: what varies least is noise
QUIET = 0.6  # share of the patches at which a filter stays below 0, so that its ReLU says which it is for


@torch.no_grad()
def settle(path: LowResolution, pictures: Tensor, *, seed: int) -> None:
    """Give the path's convolution its weights. pictures: (n, 3, side, side), normalised as the network gets them."""
    patches = _patches(path, pictures, np.random.default_rng(seed))
    weight, bias = _filters(patches, path.conv.out_channels, np.random.default_rng(seed))
    path.conv.weight.copy_(torch.from_numpy(weight).view_as(path.conv.weight))
    assert path.conv.bias is not None
    path.conv.bias.copy_(torch.from_numpy(bias))


def _patches(path: LowResolution, pictures: Tensor, random: np.random.Generator) -> np.ndarray:
    """(PATCHES, 3 · kernel²) from anywhere in the shrunken pictures."""
    shrunk, (height, width) = path.shrink(pictures).numpy(), path.conv.kernel_size
    patches = np.empty((PATCHES, 3 * height * width))
    for patch in patches:
        picture = shrunk[random.integers(len(shrunk))]
        top, left = random.integers(picture.shape[1] - height + 1, size=2)
        patch[:] = picture[:, top : top + height, left : left + width].ravel()
    return patches


def _filters(patches: np.ndarray, n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """n filters (n, d) and biases (n,) for patches as they are: the whitening is folded in."""
    mean = patches.mean(0)
    variances, axes = np.linalg.eigh(np.cov((patches - mean).T))
    whitening = axes / np.sqrt(variances + FLOOR * variances.mean()) @ axes.T
    points = unit((patches - mean) @ whitening)
    centres = points[random.permutation(len(points))[:n]]
    for _ in range(ROUNDS):
        nearest = (points @ centres.T).argmax(1)
        sums = [points[nearest == i].sum(0) for i in range(n)]
        centres = unit(np.stack([s if s.any() else points[random.integers(len(points))] for s in sums]))
    weight = centres @ whitening
    bias = -np.quantile(patches @ weight.T, QUIET, axis=0)
    return weight.astype(np.float32), bias.astype(np.float32)
