"""Products that a lathe could turn, each a function of four shape variations."""

from __future__ import annotations

import numpy as np

from pipeline.datasets._render.distances import cylinder, lathe, length, outline, ring, rod, smooth_union, sphere
from pipeline.datasets._render.patterns import Wrap
from pipeline.datasets._render.scene import Piece, Variation


def bottle(v: Variation) -> list[Piece]:
    radius, neck, shoulder = 0.4 + 0.07 * v.wide, 0.14, 1.25 + 0.2 * v.curve
    top = 2.05 + 0.15 * v.tall
    flank = [(0, 0.05), (radius - 0.06, 0.05), (radius, 0.12), (radius, 0.12), (radius, shoulder), (radius, shoulder)]
    side = outline([*flank, (neck + 0.02, shoulder + 0.42), (neck, shoulder + 0.55), (neck, top)])
    return [
        Piece(lambda p: lathe(side, p, 0.04), wrap=Wrap(0.42), gloss=0.7),
        Piece(lambda p: cylinder(p, (0, top + 0.02, 0), neck + 0.08, 0.13, 0.03), "steel", gloss=0.8),
    ]


def bowl(v: Variation) -> list[Piece]:
    rim, high = 1.1 + 0.1 * v.wide, 0.8 + 0.2 * v.tall
    side = outline([(0, 0.14), (0.45, 0.16), (rim * (0.84 + 0.06 * v.curve), high * 0.55), (rim, high)])
    return [
        Piece(lambda p: lathe(side, p, 0.05), wrap=Wrap(0.95, 0.4), gloss=0.55),
        Piece(lambda p: cylinder(p, (0, 0.07, 0), 0.42, 0.07, 0.03), "cream" if v.detail < 0 else "dark"),
    ]


def candle(v: Variation) -> list[Piece]:
    radius, high = 0.42 + 0.08 * v.wide, 1.25 + 0.25 * v.tall
    dish = outline([(0, 0.04), (radius + 0.15, 0.04), (radius + 0.4, 0.12 + 0.06 * v.curve)])
    return [
        Piece(lambda p: cylinder(p, (0, high / 2 + 0.05, 0), radius, high / 2, 0.07), wrap=Wrap(0.45), gloss=0.25),
        Piece(lambda p: lathe(dish, p, 0.035), "gold" if v.detail < 0 else "steel", gloss=0.7),
        Piece(lambda p: rod(p, (0, high, 0), (0, high + 0.16, 0), 0.025), "dark"),
        Piece(lambda p: rod(p, (0, high + 0.25, 0), (0, high + 0.46, 0), 0.1, 0.025), "flame", glow=1.0),
    ]


def cup(v: Variation) -> list[Piece]:
    radius, high = 0.62 + 0.1 * v.wide, 1.3 + 0.2 * v.tall
    foot = radius * (0.86 - 0.14 * v.curve)
    side = outline(
        [(0, 0.06), (foot - 0.08, 0.06), (foot, 0.14), ((foot + radius) / 2 + 0.03, high / 2), (radius, high)]
    )

    def handle(p: np.ndarray) -> np.ndarray:
        loop = ring(p, (radius - 0.02, high * 0.54, 0), high * 0.28, 0.075)
        return np.maximum(loop, (radius - 0.06) - length(p[0], p[2]))

    def body(p: np.ndarray) -> np.ndarray:
        return smooth_union(lathe(side, p, 0.05), handle(p), 0.06)

    return [Piece(body, wrap=Wrap(0.62), gloss=0.55)]


def hat(v: Variation) -> list[Piece]:
    brim, crown = 1.2 + 0.12 * v.wide, 0.85 + 0.15 * v.tall
    curl = 0.1 + 0.1 * v.curve
    side = outline(
        [(0, crown), (0.4, crown), (0.53, crown - 0.12), (0.6, 0.2), (0.66, 0.08), (brim - 0.25, 0.05), (brim, curl)]
    )
    band = outline([(0.575, 0.34), (0.605, 0.17)], smooth=False)
    return [
        Piece(lambda p: lathe(side, p, 0.035), wrap=Wrap(0.7, -1.0), gloss=0.05),
        Piece(lambda p: lathe(band, p, 0.055), "dark" if v.detail < 0 else "cream", gloss=0.2),
    ]


def lamp(v: Variation) -> list[Piece]:
    low, high, top = 0.82 + 0.1 * v.wide, 0.5 + 0.16 * v.curve, 2.0 + 0.15 * v.tall
    shade = outline([(low, 1.12), (high, top)], smooth=False)
    gourd = outline([(0, 0.03), (0.38, 0.03), (0.3, 0.16), (0.1, 0.4), (0.07, 0.7), (0.06, 1.7)])
    return [
        Piece(lambda p: lathe(shade, p, 0.035), wrap=Wrap(0.7), gloss=0.05, glow=0.12),
        Piece(lambda p: lathe(gourd, p, 0.04), "steel" if v.detail < 0 else "wood", gloss=0.5),
        Piece(lambda p: sphere(p, (0, 1.6, 0), 0.2), "flame", glow=0.9),
    ]


def teapot(v: Variation) -> list[Piece]:
    belly, high = 0.85 + 0.1 * v.wide, 1.15 + 0.15 * v.tall
    side = outline([(0, 0.05), (0.5, 0.05), (belly, high * 0.45), (0.66, high * 0.86), (0.4, high), (0, high + 0.08)])
    pot, tip = belly + 0.48, high * (1.0 + 0.08 * v.curve)

    def body(p: np.ndarray) -> np.ndarray:
        lower = rod(p, (belly - 0.15, high * 0.32, 0), (belly + 0.25, high * 0.62, 0), 0.2, 0.12)
        upper = rod(p, (belly + 0.25, high * 0.62, 0), (pot, tip, 0), 0.12, 0.075)
        spout = smooth_union(lower, upper, 0.1)
        return smooth_union(lathe(side, p, 0.04), spout, 0.12)

    def handle(p: np.ndarray) -> np.ndarray:
        loop = ring(p, (-belly - 0.02, high * 0.55, 0), high * 0.34, 0.07)
        return np.maximum(loop, (belly - 0.16) - length(p[0], p[2]))

    def lid(p: np.ndarray) -> np.ndarray:
        knob = sphere(p, (0, high + 0.2, 0), 0.11)
        return np.minimum(knob, ring(p, (0, high * 0.9, 0), 0.6, 0.035, axis=1))

    trim = "dark" if v.detail < 0 else "body"
    return [
        Piece(body, wrap=Wrap(0.8), gloss=0.6),
        Piece(handle, trim, Wrap(0.8), gloss=0.5),
        Piece(lid, trim, Wrap(0.8), gloss=0.5),
    ]


def vase(v: Variation) -> list[Piece]:
    belly, high = 0.66 + 0.12 * v.wide, 1.85 + 0.25 * v.tall
    low = high * (0.42 + 0.14 * v.curve)
    side = outline(
        [(0, 0.05), (0.36, 0.05), (0.4, 0.12), (belly, low), (0.26 + 0.06 * v.detail, high * 0.84), (0.46, high)]
    )
    return [Piece(lambda p: lathe(side, p, 0.045), wrap=Wrap(0.6), gloss=0.6)]


def watering_can(v: Variation) -> list[Piece]:
    radius, high = 0.58 + 0.06 * v.wide, 1.05 + 0.15 * v.tall
    side = outline(
        [(0, 0.05), (radius, 0.05), (radius, 0.05), (radius * (0.88 + 0.06 * v.curve), high), (0.38, high + 0.08)]
    )
    tip = (radius + 0.78, high + 0.28, 0.0)

    def body(p: np.ndarray) -> np.ndarray:
        spout = rod(p, (radius - 0.1, 0.28, 0), tip, 0.13, 0.065)
        return smooth_union(lathe(side, p, 0.04), spout, 0.08)

    def rose(p: np.ndarray) -> np.ndarray:
        return rod(p, (tip[0] - 0.03, tip[1] - 0.04, 0), (tip[0] + 0.1, tip[1] + 0.12, 0), 0.07, 0.17)

    def handle(p: np.ndarray) -> np.ndarray:
        loop = ring(p, (-radius + 0.1, high * 0.78, 0), 0.48, 0.06)
        return np.maximum(loop, (radius * 0.9 - 0.05) - length(p[0], p[2]))

    def bail(p: np.ndarray) -> np.ndarray:
        return np.maximum(ring(p, (-0.02, high, 0), 0.44, 0.05), high - p[1])

    trim = "steel" if v.detail < 0 else "body"
    return [
        Piece(body, wrap=Wrap(0.6), gloss=0.45),
        Piece(rose, "steel", gloss=0.6),
        Piece(lambda p: np.minimum(handle(p), bail(p)), trim, Wrap(0.6), gloss=0.45),
    ]
