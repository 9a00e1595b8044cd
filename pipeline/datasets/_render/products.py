"""The kinds of product by name, and an item of one as a painted solid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.datasets._render import built, turned
from pipeline.datasets._render.patterns import COLOURS, MATERIALS, Paint, Print, linear, patterned, plain
from pipeline.datasets._render.scene import Part, Piece, Solid, Variation, solid

KINDS: dict[str, Callable[[Variation], list[Piece]]] = {
    "bag": built.bag,
    "bottle": turned.bottle,
    "bowl": turned.bowl,
    "candle": turned.candle,
    "chair": built.chair,
    "clock": built.clock,
    "cup": turned.cup,
    "duck": built.duck,
    "gift": built.gift,
    "hat": turned.hat,
    "lamp": turned.lamp,
    "shoe": built.shoe,
    "table": built.table,
    "teapot": turned.teapot,
    "vase": turned.vase,
    "watering_can": turned.watering_can,
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


def drawn_product(kind: str, pattern: str, colour: str, random: np.random.Generator) -> Solid:
    """One item: its shape, the details of its pattern and the tint of its colour drawn by `random`."""
    shape = Variation(*random.uniform(-1, 1, 4).tolist())
    print_ = Print(pattern, int(random.integers(9, 15)), int(random.integers(3)), float(random.uniform()))
    main = linear(COLOURS[colour]) * random.uniform(0.92, 1.06, 3).astype(np.float32)
    second = linear("243352" if colour in ("white", "yellow") else "f6f0e2")
    return product(kind, shape, print_, np.minimum(main, 1), second)
