"""The order of the scores."""

from __future__ import annotations

from pipeline.plugins import Card
from pipeline.rerank import ByScore

CARD = Card("by score alone")


def build() -> ByScore:
    return ByScore()
