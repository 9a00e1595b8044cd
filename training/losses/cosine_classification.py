"""Classification by cosine: cross-entropy over the angle between an embedding and one direction per label."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.plugins import Card

CARD = Card(summary="cross-entropy over the angle between an embedding and one direction a label")


class CosineClassification(nn.Module):
    """weight: (n_labels, dim). At the start the loss is ln n_labels + scale² / (2 dim)."""

    def __init__(self, *, dim: int, n_labels: int, scale: float, label_smoothing: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_labels, dim))
        self.scale = scale
        self.label_smoothing = label_smoothing

    def logits(self, embeddings: Tensor) -> Tensor:
        """(n, dim) of unit length to (n, n_labels) in [-scale, scale]."""
        return self.scale * F.linear(embeddings, F.normalize(self.weight))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """labels: (n,) int64, or (n, n_labels) shares, as mixed pictures have."""
        return F.cross_entropy(self.logits(embeddings), labels, label_smoothing=self.label_smoothing)


def build(*, dim: int, n_labels: int, scale: float = 16, label_smoothing: float = 0.1) -> nn.Module:
    return CosineClassification(dim=dim, n_labels=n_labels, scale=scale, label_smoothing=label_smoothing)
