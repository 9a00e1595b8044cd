"""The paper's loss (Wang et al. 2014, eq. 1 and 3): a positive must be nearer than a negative by a margin."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.plugins import Card
from training.losses import _miners as miners

CARD = Card(
    summary="max(0, margin + D(a, p) − D(a, n)), triplets mined in the batch",
    source="Wang et al., CVPR 2014, eq. 1 and 3",
)


def distances(anchors: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """(n, dim) each to squared Euclid D(anchor, positive) and D(anchor, negative), (n,) each; in [0, 4] if unit."""
    return (anchors - positives).square().sum(dim=1), (anchors - negatives).square().sum(dim=1)


def hinge(anchors: Tensor, positives: Tensor, negatives: Tensor, *, margin: float) -> Tensor:
    """max(0, margin + D(anchor, positive) − D(anchor, negative)), (n,). A triplet is active where this is > 0."""
    d_positive, d_negative = distances(anchors, positives, negatives)
    return torch.relu(margin + d_positive - d_negative)


class TripletHinge(nn.Module):
    """Mean hinge over the triplets that a miner finds in a labelled batch.

    Pinned at exactly `margin` it means collapse: all embeddings are equal.
    """

    def __init__(self, *, margin: float, miner: str) -> None:
        super().__init__()
        self.margin = margin
        self.miner = miner

    def forward(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """generator: the miner's chance; torch's own when None. No triplet at all is 0, with zero gradient."""
        a, p, n = miners.mine(self.miner, embeddings, labels, margin=self.margin, generator=generator)
        if len(a) == 0:
            return embeddings.sum() * 0  # the mean of nothing is nan
        squares = embeddings.square().sum(dim=1)
        # every distance once: a batch of 512 has millions of triplets, whose embeddings would fill 17 GB
        d = squares[:, None] + squares - 2 * embeddings @ embeddings.T  # (n, n)
        return torch.relu(self.margin + d[a, p] - d[a, n]).mean()


def build(*, dim: int, n_labels: int, margin: float = 0.1, miner: miners.Name = "semi_hard") -> nn.Module:
    """margin: the paper's g, which it does not give; 0.1 for sampled triplets, 0.2 with semi-hard mining."""
    return TripletHinge(margin=margin, miner=miner)
