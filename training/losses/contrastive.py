"""ProductNet's contrastive loss (Bell & Bala 2015): positives together, negatives apart by a margin."""

from __future__ import annotations

from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss
from torch import nn


def build(*, dim: int, n_labels: int, margin: float = 0.2**0.5) -> nn.Module:
    """D for positive pairs, max(0, margin² − D) for negative ones, D squared Euclid; each averaged where it is > 0.

    Hadsell's form, the library's default, has margin − √D instead. √0.2: push until the cosine is below 0.9.
    """
    return ContrastiveLoss(pos_margin=0, neg_margin=margin**2, distance=LpDistance(power=2))
