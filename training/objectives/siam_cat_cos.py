"""Pairs, classified as the network gives them and compared as unit vectors."""

from __future__ import annotations

from pipeline.plugins import Card
from training.objectives._siamese import SOURCE, Siamese

CARD = Card(summary="pairs, softmax over both pictures and the contrastive term on unit vectors", source=SOURCE)


def build() -> Siamese:
    return Siamese(classification=True, contrastive=True, on_unit=True)
