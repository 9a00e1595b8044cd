"""The words in which a kind of product is written down: how items vary, and pieces of a material."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.datasets._render.distances import Distance
from pipeline.datasets._render.patterns import FACED, Wrap


@dataclass(frozen=True)
class Variation:
    """How one item differs from others of its kind, each in [-1, 1]."""

    tall: float = 0.0
    wide: float = 0.0
    curve: float = 0.0
    detail: float = 0.0


@dataclass(frozen=True)
class Piece:
    """A distance and what it is made of: a material's name, or "body" for the item's own colour and pattern."""

    distance: Distance
    material: str = "body"
    wrap: Wrap = FACED
    gloss: float = 0.3
    glow: float = 0.0
