"""ProductNet's contrastive loss (Bell & Bala 2015): positives together, negatives apart by a margin."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.plugins import Card

CARD = Card(
    summary="pairs of one label together, others apart by a margin", source="Bell and Bala, SIGGRAPH 2015, eq. 1 to 3"
)
SQUARE_MARGIN = 0.2  # the paper's m² on unit vectors: push until the cosine is below 0.9


def of_pairs(first: Tensor, second: Tensor, same: Tensor, *, square_margin: float) -> Tensor:
    """(n, dim) each and (n,) bool to (n,): D for a pair of one item, max(0, m² − D) for two, D squared Euclid.

    Hadsell's form (2006) has the square of m − √D instead.
    """
    d = (first - second).square().sum(dim=1)
    return torch.where(same, d, torch.relu(square_margin - d))


def build(*, dim: int, n_labels: int, margin: float = SQUARE_MARGIN**0.5) -> nn.Module:
    """`of_pairs` over all pairs of the batch, those of one label and the others each averaged where it is > 0."""
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.losses import ContrastiveLoss

    return ContrastiveLoss(pos_margin=0, neg_margin=margin**2, distance=LpDistance(power=2))
