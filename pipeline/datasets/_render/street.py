"""A scene of the street: products stand on the ground, near ones larger and in front; each pixel knows its owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.datasets._render.sprites import Sprite
from pipeline.datasets._render.street_ground import Street

VERSION = 1  # raise when a picture of the same scene changes: caches are named by it
WIDEST = 0.46  # of the picture that the frame of a product at the lower edge takes
_LEAST = 0.45  # share of a product that must be seen, else it is taken away: nobody would draw its box


@dataclass(frozen=True)
class Stand:
    """Where a product stands: x and y of its foot as shares of the picture, and whether it is mirrored."""

    x: float
    y: float
    mirrored: bool = False


@dataclass(frozen=True)
class View:
    """pixels: (size, size, 3) uint8. owner: (size, size) uint8, 0 the street, i + 1 the i-th product on top.

    seen: (products,) share of each that is not hidden, 0 for one that was taken away.
    """

    pixels: np.ndarray
    owner: np.ndarray
    seen: np.ndarray


def stands(random: np.random.Generator, street: Street, n: int) -> list[Stand]:
    """n places, from the back to the front, as far apart as they come out of 30 throws each."""
    chosen: list[Stand] = []
    mirrored = bool(random.random() < 0.5)  # all of them, as the light comes from one side
    for _ in range(n):
        throws = random.uniform((0.1, street.horizon + 0.16), (0.9, 0.97), (30, 2)).tolist()
        thrown = [Stand(x, y, mirrored) for x, y in throws]
        chosen.append(max(thrown, key=lambda one: min((_apart(one, other, street) for other in chosen), default=1.0)))
    return sorted(chosen, key=lambda one: one.y)


def view(street: Street, sprites: Sequence[Sprite], places: Sequence[Stand], size: int) -> View:
    """Compose products that stand from the back to the front. The same arguments give the same bytes."""
    layers = [_laid(sprite, place, street, size) for sprite, place in zip(sprites, places, strict=True)]
    owner, seen = _owners(layers, size)
    light = street.draw(size).astype(np.float32)
    for layer, share in zip(layers, seen, strict=True):
        if share:
            here = light[layer.rows, layer.columns]
            here *= layer.shade[..., None]
            here += (layer.colour - here) * layer.cover[..., None]
    return View(street.tinted(light), owner, seen)


@dataclass(frozen=True)
class _Layer:
    """The part of a product's frame that lies in the picture. cover, shade in [0, 1]; whole: its pixels, also outside."""

    rows: slice
    columns: slice
    colour: np.ndarray
    cover: np.ndarray
    shade: np.ndarray
    whole: int


def _owners(layers: Sequence[_Layer], size: int) -> tuple[np.ndarray, np.ndarray]:
    kept = list(range(len(layers)))
    while True:  # taking one away shows more of those behind it
        owner = np.zeros((size, size), np.uint8)
        for number in kept:
            layer = layers[number]
            owner[layer.rows, layer.columns][layer.cover >= 0.5] = number + 1
        shares = np.bincount(owner.ravel(), minlength=len(layers) + 1)[1:] / [max(one.whole, 1) for one in layers]
        hidden = [number for number in kept if shares[number] < _LEAST]
        if not hidden:
            return owner, shares
        kept.remove(hidden[0])


def _laid(sprite: Sprite, place: Stand, street: Street, size: int) -> _Layer:
    side = max(4, round(WIDEST * size * _near(place.y, street)))
    pixels, shade = (_resized(one, side, place.mirrored) for one in (sprite.pixels, sprite.shade))
    top, left = round(place.y * size - sprite.foot * side), round(place.x * size - side / 2)
    rows, columns = (slice(max(0, start), max(0, min(size, start + side))) for start in (top, left))
    inner = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    cover = pixels[..., 3] / 255
    return _Layer(rows, columns, pixels[inner][..., :3], cover[inner], shade[inner] / 255, int((cover >= 0.5).sum()))


def _resized(pixels: np.ndarray, side: int, mirrored: bool) -> np.ndarray:
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)  # Pillow weighs by coverage
    array = np.asarray(image, np.float32)
    return array[:, ::-1] if mirrored else array


def _near(y: float, street: Street) -> float:
    """Size at a height of the picture as a share of that at its lower edge."""
    return (y - street.horizon + 0.12) / (1 - street.horizon + 0.12)


def _apart(one: Stand, other: Stand, street: Street) -> float:
    """Distance of two feet in widths of the larger frame; depth counts double, as it is seen from the side."""
    wide = WIDEST * max(_near(one.y, street), _near(other.y, street))
    return float(np.hypot(one.x - other.x, 2 * (one.y - other.y)) / wide)
