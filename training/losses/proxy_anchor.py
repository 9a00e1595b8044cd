"""Proxy-anchor (Kim et al. 2020): one learned proxy per label is the anchor of the whole batch."""

from __future__ import annotations

from pytorch_metric_learning.losses import ProxyAnchorLoss
from torch import nn

from pipeline.plugins import Card

CARD = Card(summary="one learned proxy a label, the anchor of the whole batch", source="Kim et al., CVPR 2020")


def build(*, dim: int, n_labels: int, margin: float = 0.1, alpha: float = 32) -> nn.Module:
    """Its `proxies`, (n_labels, dim), are trained with the network, at about 100 times its learning rate."""
    return ProxyAnchorLoss(num_classes=n_labels, embedding_size=dim, margin=margin, alpha=alpha)
