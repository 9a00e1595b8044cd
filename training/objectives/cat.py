"""Pairs whose two pictures are classified each by itself; nothing compares them."""

from __future__ import annotations

from pipeline.plugins import Card
from training.objectives._siamese import SOURCE, Siamese

CARD = Card(summary="pairs, softmax over both pictures", source=SOURCE)


def build() -> Siamese:
    return Siamese(classification=True, contrastive=False)
