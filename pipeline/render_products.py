"""The kinds of product by name, and an item of one as a painted solid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline import render_built, render_turned
from pipeline.render_patterns import MATERIALS, Paint, Print, linear, patterned, plain
from pipeline.render_pieces import Piece, Variation
from pipeline.render_scene import Part, Solid, solid

KINDS: dict[str, Callable[[Variation], list[Piece]]] = {
    "bag": render_built.bag,
    "bottle": render_turned.bottle,
    "bowl": render_turned.bowl,
    "candle": render_turned.candle,
    "chair": render_built.chair,
    "clock": render_built.clock,
    "cup": render_turned.cup,
    "duck": render_built.duck,
    "gift": render_built.gift,
    "hat": render_turned.hat,
    "lamp": render_turned.lamp,
    "shoe": render_built.shoe,
    "table": render_built.table,
    "teapot": render_turned.teapot,
    "vase": render_turned.vase,
    "watering_can": render_turned.watering_can,
}


def product(kind: str, variation: Variation, print_: Print, main: np.ndarray, second: np.ndarray) -> Solid:
    """One item: `main` and `second` are the body's colours, (3,) linear."""
    parts = []
    for piece in KINDS[kind](variation):
        paint: Paint = (
            patterned(print_, piece.wrap, main, second)
            if piece.material == "body"
            else plain(linear(MATERIALS[piece.material]))
        )
        parts.append(Part(piece.distance, paint, piece.gloss, piece.glow))
    return solid(tuple(parts))
