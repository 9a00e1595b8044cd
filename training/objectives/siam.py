"""Pairs and the contrastive term alone: one item together, two apart."""

from __future__ import annotations

from pipeline.plugins import Card
from training.objectives._siamese import SOURCE, Siamese

CARD = Card(summary="pairs, the contrastive term", source=SOURCE)


def build() -> Siamese:
    return Siamese(classification=False, contrastive=True)
