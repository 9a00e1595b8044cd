"""The paper's loss (Wang et al. 2014, eq. 1 and 3): a positive must be nearer than a negative by a margin."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.losses import _miners as miners


def distances(anchors: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """(n, dim) each to squared Euclid D(anchor, positive) and D(anchor, negative), (n,) each; in [0, 4] if unit."""
    return (anchors - positives).square().sum(dim=1), (anchors - negatives).square().sum(dim=1)


def hinge(anchors: Tensor, positives: Tensor, negatives: Tensor, *, margin: float) -> Tensor:
    """max(0, margin + D(anchor, positive) − D(anchor, negative)), (n,). A triplet is active where this is > 0."""
    d_positive, d_negative = distances(anchors, positives, negatives)
    return torch.relu(margin + d_positive - d_negative)


class TripletHinge(nn.Module):
    """Mean hinge over explicit triplets, or over those that a miner finds in a labelled batch.

    Pinned at exactly `margin` it means collapse: all embeddings are equal.
    """

    def __init__(self, *, margin: float, miner: str) -> None:
        super().__init__()
        self.margin = margin
        self.miner = miner

    def forward(
        self,
        embeddings: Tensor,
        second: Tensor,
        negatives: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """(embeddings (n, dim), labels (n,)) or (anchors, positives, negatives), (n, dim) each.

        generator: the miner's chance; torch's own when None. No triplet at all is 0, with zero gradient.
        """
        if negatives is None:
            a, p, n = miners.mine(self.miner, embeddings, second, margin=self.margin, generator=generator)
            squares = embeddings.square().sum(dim=1)
            # every distance once: a batch of 512 has millions of triplets, whose embeddings would fill 17 GB
            d = squares[:, None] + squares - 2 * embeddings @ embeddings.T  # (n, n)
            found = torch.relu(self.margin + d[a, p] - d[a, n])  # (triplets,)
        else:
            found = hinge(embeddings, second, negatives, margin=self.margin)
        if len(found) == 0:
            return embeddings.sum() * 0  # the mean of nothing is nan
        return found.mean()


def build(*, dim: int, n_labels: int, margin: float = 0.1, miner: miners.Name = "semi_hard") -> nn.Module:
    """margin: the paper's g, which it does not give; 0.1 for sampled triplets, 0.2 with semi-hard mining."""
    return TripletHinge(margin=margin, miner=miner)
