"""Multi-similarity (Wang et al. 2019): pairs weighted by how they compare with the other pairs of their anchor."""

from __future__ import annotations

from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch import Tensor, nn

from pipeline.plugins import Card

CARD = Card(
    summary="pairs weighted by the other pairs of their anchor, with its own miner", source="Wang et al., CVPR 2019"
)


class MultiSimilarity(nn.Module):
    """Over the pairs that the paper's miner keeps: those within `epsilon` of the anchor's hardest other pair."""

    def __init__(self, *, alpha: float, beta: float, base: float, epsilon: float) -> None:
        super().__init__()
        self.miner = MultiSimilarityMiner(epsilon=epsilon)
        self.loss = MultiSimilarityLoss(alpha=alpha, beta=beta, base=base)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.loss(embeddings, labels, self.miner(embeddings, labels))


def build(
    *, dim: int, n_labels: int, alpha: float = 2, beta: float = 50, base: float = 0.5, epsilon: float = 0.1
) -> nn.Module:
    """alpha, beta: sharpness for positives and negatives. base: the cosine between the two."""
    return MultiSimilarity(alpha=alpha, beta=beta, base=base, epsilon=epsilon)
