"""Products that are built from flat and rounded pieces, each a function of four shape variations."""

from __future__ import annotations

import numpy as np

from pipeline.datasets._render.distances import (
    box,
    cylinder,
    ellipsoid,
    extrude,
    outline,
    ring,
    rod,
    smooth_intersection,
    smooth_union,
    sphere,
)
from pipeline.datasets._render.patterns import Wrap
from pipeline.datasets._render.scene import Piece, Variation


def chair(v: Variation) -> list[Piece]:
    seat, half, top = 0.92 + 0.1 * v.tall, 0.56 + 0.06 * v.wide, 1.95 + 0.15 * v.tall
    lean = 0.06 + 0.06 * v.curve

    def body(p: np.ndarray) -> np.ndarray:
        cushion = box(p, (0, seat, 0), (half + 0.05, 0.1, half + 0.05), 0.08)
        tilted = np.stack([p[0], p[1], p[2] + (p[1] - seat) * lean]) * np.float32(1 / (1 + lean))
        middle, panel = (seat + top) / 2 + 0.1, (top - seat) / 2 - 0.1
        back = box(tilted, (0, middle / (1 + lean), -half), (half + 0.02, panel, 0.07), 0.06)
        if v.detail < 0:  # an open back: two cushions with a gap
            back = np.maximum(back, 0.1 - np.abs(tilted[1] - middle * 0.94))
        return np.minimum(cushion, back)

    def frame(p: np.ndarray) -> np.ndarray:
        mirrored = np.stack([np.abs(p[0]), p[1], np.abs(p[2])])
        legs = rod(mirrored, (half + 0.06, 0.05, half + 0.06), (half - 0.08, seat, half - 0.08), 0.045, 0.065)
        posts = rod(
            np.stack([np.abs(p[0]), p[1], p[2]]), (half - 0.1, seat, -half), (half - 0.1, top - 0.1, -half - 0.1), 0.05
        )
        return np.minimum(legs, posts)

    return [Piece(body, gloss=0.15), Piece(frame, "wood" if v.wide < 0.3 else "dark", gloss=0.3)]


def table(v: Variation) -> list[Piece]:
    high, wide = 1.05 + 0.15 * v.tall, 1.15 + 0.1 * v.wide
    deep = 0.8 + 0.12 * v.curve

    def top(p: np.ndarray) -> np.ndarray:
        if v.detail < 0:
            return cylinder(p, (0, high, 0), wide * 0.95, 0.08, 0.03)
        return box(p, (0, high, 0), (wide, 0.08, deep), 0.04)

    def legs(p: np.ndarray) -> np.ndarray:
        if v.detail < 0:
            post = rod(p, (0, 0.1, 0), (0, high - 0.12, 0), 0.11)
            return smooth_union(post, cylinder(p, (0, 0.05, 0), 0.6, 0.05, 0.04), 0.2)
        mirrored = np.stack([np.abs(p[0]), p[1], np.abs(p[2])])
        return rod(mirrored, (wide - 0.1, 0.05, deep - 0.1), (wide - 0.22, high, deep - 0.2), 0.05, 0.08)

    return [Piece(top, gloss=0.4), Piece(legs, "wood", gloss=0.3)]


def shoe(v: Variation) -> list[Piece]:
    collar = 0.95 + 0.22 * v.tall
    heel = [(-1.05, 0.12), (-1.05, 0.12), (-1.08, 0.6), (-1.0, collar), (-0.9, collar), (-0.35, collar - 0.02)]
    toe = [(-0.1, collar - 0.18), (0.35, 0.56 + 0.06 * v.curve), (0.85, 0.48), (1.14, 0.32), (1.1, 0.12), (1.1, 0.12)]
    side = outline([*heel, *toe], closed=True)
    outer = [(-1.1, 1.0), (-0.8, 1.36), (0.0, 1.27), (0.6, 1.43), (1.12, 1.22)]
    inner = [(1.14, 0.92), (0.6, 0.6), (0.0, 0.7), (-0.8, 0.64)]
    sole = outline([*outer, *inner], closed=True)  # from above, shifted up by 1 to lie within the table
    spread = 1 + 0.1 * v.wide

    def above(p: np.ndarray) -> np.ndarray:
        return sole(p[0], 1 + p[2] * np.float32(1 / spread)) * np.float32(min(spread, 1))

    def upper(p: np.ndarray) -> np.ndarray:
        whole = smooth_intersection(side(p[0], p[1]), above(p) - 0.01, 0.2)
        opening = ellipsoid(p, (-0.62, collar + 0.02, 0), (0.36, 0.45, 0.21))
        return np.maximum(whole, -opening)

    def base(p: np.ndarray) -> np.ndarray:
        return np.maximum(above(p) - 0.02, np.abs(p[1] - 0.1) - 0.1)

    def laces(p: np.ndarray) -> np.ndarray:
        nearest = np.full(p.shape[1], np.inf, np.float32)
        for i in range(4):
            x = 0.02 + 0.13 * i
            y = collar - 0.2 - (collar - 0.6) * (x + 0.05) / 0.5 * 0.95
            bar = rod(p, (x, y, -0.15), (x + 0.03, y, 0.15), 0.035)
            nearest = np.minimum(nearest, bar)
        return nearest

    return [Piece(upper, gloss=0.15), Piece(base, "sole", gloss=0.2), Piece(laces, "sole", gloss=0.1)]


def duck(v: Variation) -> list[Piece]:
    plump, head = 0.75 + 0.06 * v.tall, 0.5 + 0.05 * v.wide
    brow = 1.42 + 0.08 * v.tall

    def body(p: np.ndarray) -> np.ndarray:
        trunk = ellipsoid(p, (-0.1, 0.62, 0), (1.0, 0.62, plump))
        tail = rod(p, (-0.75, 0.75, 0), (-1.15, 1.08 + 0.1 * v.curve, 0), 0.26, 0.1)
        skull = sphere(p, (0.45, brow, 0), head)
        wing = ellipsoid(np.stack([p[0], p[1], np.abs(p[2])]), (-0.15, 0.78, plump - 0.08), (0.5, 0.28, 0.16))
        return smooth_union(smooth_union(smooth_union(trunk, tail, 0.25), skull, 0.2), wing, 0.05)

    def beak(p: np.ndarray) -> np.ndarray:
        return ellipsoid(p, (0.45 + head + 0.08, brow - 0.08, 0), (0.28, 0.09, 0.24))

    def eyes(p: np.ndarray) -> np.ndarray:
        mirrored = np.stack([p[0], p[1], np.abs(p[2])])
        return sphere(mirrored, (0.45 + head * 0.72, brow + head * 0.3, head * 0.6), 0.085)

    return [
        Piece(body, wrap=Wrap(), gloss=0.5),
        Piece(beak, "beak", gloss=0.5),
        Piece(eyes, "dark", gloss=0.9),
    ]


def gift(v: Variation) -> list[Piece]:
    wide, high, deep = 0.8 + 0.15 * v.wide, 1.05 + 0.25 * v.tall, 0.75 + 0.12 * v.curve
    lid = high - 0.14

    def body(p: np.ndarray) -> np.ndarray:
        lower = box(p, (0, lid / 2, 0), (wide, lid / 2, deep), 0.03)
        return np.minimum(lower, box(p, (0, lid + 0.07, 0), (wide + 0.06, 0.13, deep + 0.06), 0.03))

    def ribbon(p: np.ndarray) -> np.ndarray:
        top = lid + 0.1
        along = box(p, (0, top / 2 + 0.06, 0), (0.11, top / 2 + 0.06, deep + 0.08), 0.02)
        across = box(p, (0, top / 2 + 0.06, 0), (wide + 0.08, top / 2 + 0.06, 0.11), 0.02)
        bow = np.stack([np.abs(p[0]), p[1], p[2] * np.float32(0.45)])  # squeezed: a flat loop becomes a wide one
        loop = ring(bow, (0.24, top + 0.28, 0), 0.2, 0.055)
        return np.minimum(np.minimum(along, across), np.minimum(loop, sphere(p, (0, top + 0.18, 0), 0.12)))

    return [Piece(body, gloss=0.25), Piece(ribbon, "gold" if v.detail < 0 else "cream", gloss=0.5)]


def clock(v: Variation) -> list[Piece]:
    radius, centre = 0.8 + 0.05 * v.wide, 1.02
    deep = 0.26 + 0.06 * v.curve

    def facing(p: np.ndarray) -> np.ndarray:
        return np.stack([p[0], p[2], p[1] - centre])  # lays the dial's axis upright for `cylinder`

    def body(p: np.ndarray) -> np.ndarray:
        case = cylinder(facing(p), (0, 0, 0), radius, deep, 0.1)
        bell = sphere(np.stack([np.abs(p[0]), p[1], p[2]]), (0.46, centre + radius + 0.08, 0), 0.27)
        return np.minimum(case, np.maximum(bell, (centre + radius + 0.02) - p[1] - 0.12))

    def dial(p: np.ndarray) -> np.ndarray:
        return cylinder(facing(p), (0, deep + 0.005, 0), radius * 0.8, 0.02)

    hour, minute = 2.2 * v.tall, 3.1 * v.detail  # radians from twelve

    def marks(p: np.ndarray) -> np.ndarray:
        front = deep + 0.04
        nearest = sphere(p, (0, centre, front), 0.07)
        for angle, reach, width in ((hour, 0.36, 0.045), (minute, 0.56, 0.032)):
            tip = (float(np.sin(angle)) * reach, centre + float(np.cos(angle)) * reach, front)
            nearest = np.minimum(nearest, rod(p, (0, centre, front), tip, width))
        quarter = np.stack([np.abs(p[0]), np.abs(p[1] - centre), p[2]])
        return np.minimum(
            nearest,
            np.minimum(
                sphere(quarter, (0, radius * 0.66, deep + 0.02), 0.05),
                sphere(quarter, (radius * 0.66, 0, deep + 0.02), 0.05),
            ),
        )

    def metal(p: np.ndarray) -> np.ndarray:
        feet = rod(np.stack([np.abs(p[0]), p[1], p[2]]), (0.62, 0.06, 0), (0.4, 0.4, 0), 0.07)
        return np.minimum(feet, rod(p, (0, centre + radius, 0), (0, centre + radius + 0.3, 0), 0.05))

    return [
        Piece(body, gloss=0.5),
        Piece(dial, "cream", gloss=0.2),
        Piece(marks, "dark"),
        Piece(metal, "steel", gloss=0.7),
    ]


def bag(v: Variation) -> list[Piece]:
    top, low, high = 0.72 + 0.08 * v.wide, 1.0 + 0.08 * v.wide, 1.15 + 0.15 * v.tall
    face = outline(
        [(-low, 0.03), (-low, 0.03), (low, 0.03), (low, 0.03), (top, high), (top, high), (-top, high), (-top, high)],
        closed=True,
    )
    deep, arch = 0.34 + 0.05 * v.curve, 0.42 + 0.06 * v.detail

    def straps(p: np.ndarray) -> np.ndarray:
        mirrored = np.stack([p[0], p[1], np.abs(p[2])])
        loop = np.maximum(ring(mirrored, (0, high + 0.12, deep * 0.8), arch, 0.055), high + 0.12 - p[1])
        ends = rod(
            np.stack([np.abs(p[0]), p[1], np.abs(p[2])]),
            (arch, high - 0.2, deep),
            (arch, high + 0.12, deep * 0.8),
            0.055,
        )
        return np.minimum(loop, ends)

    return [
        Piece(lambda p: extrude(face, p, deep, 0.12), gloss=0.2),
        Piece(straps, "leather" if v.detail < 0 else "dark", gloss=0.4),
        Piece(lambda p: sphere(p, (0, high * 0.78, deep), 0.09), "gold", gloss=0.8),
    ]
