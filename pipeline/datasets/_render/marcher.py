"""A small studio: solids given by distance functions, sphere-traced and lit in numpy, on one core.

One ray a pixel finds and shades the surface; only pixels on an edge are traced again with more rays. A scene may
hold several solids; each is traced in its own coordinates within its bounding sphere, so cost follows the area seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.datasets._render.light import backdrop, surface
from pipeline.datasets._render.scene import Scene, Solid, crossing

VERSION = 1  # raise when a picture of the same scene changes: caches are named by it

_HIT = 0.002  # a tenth of a pixel of a product that fills 128 pixels
_EDGE = 0.07  # step between neighbours, of 0..1 sRGB, that calls for more rays
_EXTRA = [(-0.375, -0.125), (0.125, -0.375), (0.375, 0.125), (-0.125, 0.375)]  # rotated grid, in pixels


@dataclass(frozen=True)
class Picture:
    """pixels (size, size, 3) uint8 sRGB; owner (size, size) uint8: 0 background, i + 1 = scene.placed[i] on top."""

    pixels: np.ndarray
    owner: np.ndarray


def render(scene: Scene, size: int) -> Picture:
    """Trace a square picture. The same scene and size give the same bytes."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = (grid.ravel() for grid in np.meshgrid(steps, steps))
    light, owner = _trace(scene, scene.camera.rays(x, y))
    colour = encode(light)  # (3, pixels)
    edge = np.flatnonzero(_edges(colour.reshape(3, size, size), owner.reshape(size, size)))
    if edge.size:
        offset = np.array(_EXTRA, np.float32) / size
        again = scene.camera.rays(
            (x[edge, None] + offset[:, 0]).ravel(), (y[edge, None] + offset[:, 1]).ravel()
        )  # (3, edges * extra)
        extra, _ = _trace(scene, again)
        # Averaged as light, but capped first: one glint must not whiten a whole pixel.
        colour[:, edge] = encode(np.minimum(extra, 1.2).reshape(3, edge.size, len(_EXTRA)).mean(axis=2))
    pixels = (colour * 255 + 0.5).astype(np.uint8).reshape(3, size, size)
    return Picture(np.ascontiguousarray(pixels.transpose(1, 2, 0)), owner.reshape(size, size))


def _trace(scene: Scene, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3, n) rays from the camera to (3, n) light and (n,) owners."""
    eye = scene.camera.eye
    n = rays.shape[1]
    nearest = np.full(n, np.inf, np.float32)
    owner = np.zeros(n, np.uint8)
    for number, placed in enumerate(scene.placed, 1):
        start = placed.points(eye[:, None])
        distances = march(placed.solid, start, placed.directions(rays)) * np.float32(placed.scale)
        closer = distances < nearest
        nearest[closer], owner[closer] = distances[closer], number
    light = np.empty((3, n), np.float32)
    behind = np.flatnonzero(owner == 0)
    light[:, behind] = backdrop(scene, eye, rays[:, behind])
    for number, placed in enumerate(scene.placed, 1):
        mine = np.flatnonzero(owner == number)
        if mine.size:
            view = rays[:, mine]
            light[:, mine] = surface(scene, placed, eye[:, None] + view * nearest[mine], view)
    return light, owner


def march(solid: Solid, start: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """How far along each ray, (3, n) in the solid's coordinates, its surface is; infinite where there is none."""
    reach = np.full(rays.shape[1], np.inf, np.float32)
    rows, t, far = crossing(solid, start, rays, 1.0)
    d = rays[:, rows]
    far = np.minimum(far, -start[1] / np.minimum(d[1], -1e-6))  # nothing to find under the floor
    for _ in range(16):
        for _ in range(4):  # a ray that has arrived stays: its distance is 0
            gap = solid.distance(start + d * t)
            t = t + gap
        arrived = np.abs(gap) < _HIT
        reach[rows[arrived]] = t[arrived]
        going = ~arrived & (t < far)
        if not going.any():
            return reach
        rows, t, far, d = rows[going], t[going], far[going], d[:, going]
    return reach


def _edges(colour: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(size, size) bool: a neighbour above, below or beside belongs to another solid or differs in colour."""
    edge = np.zeros(owner.shape, bool)
    down = (np.abs(colour[:, 1:] - colour[:, :-1]).max(axis=0) > _EDGE) | (owner[1:] != owner[:-1])
    right = (np.abs(colour[:, :, 1:] - colour[:, :, :-1]).max(axis=0) > _EDGE) | (owner[:, 1:] != owner[:, :-1])
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge


def encode(light: np.ndarray) -> np.ndarray:
    """Linear light to sRGB in [0, 1], highlights rolled off."""
    soft = np.where(light > 0.7, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3), light)
    return np.where(soft <= 0.0031308, soft * 12.92, 1.055 * np.power(np.maximum(soft, 0.0031308), 1 / 2.4) - 0.055)
