"""One product seen alone, cut out of its floor: colours with exact coverage, and the shadow it casts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.datasets._render import marcher
from pipeline.datasets._render.light import backdrop, surface
from pipeline.datasets._render.patterns import linear
from pipeline.datasets._render.scene import Camera, Placed, Scene, Solid, Studio

_PITCH, _VIEW = 0.3, 0.5
_STUDIO = Studio(linear("c9c6c0"), linear("c9c6c0"), azimuth=0.75, elevation=1.05, softness=0.3)


@dataclass(frozen=True)
class Sprite:
    """pixels: (size, size, 4) uint8 sRGB with coverage. shade: (size, size) uint8, what is left of the floor's light.

    foot: how far down, as a share of the size, the middle of the product stands on the floor.
    """

    pixels: np.ndarray
    shade: np.ndarray
    foot: float


def sprite(solid: Solid, angle: float, size: int) -> Sprite:
    """The product turned by radians, lit from the front right; four rays a pixel."""
    placed = Placed.centred(solid, angle)
    camera = Camera((0.0, float(solid.centre[1]), 0.0), solid.radius / math.sin(_VIEW / 2) * 1.12, _PITCH, _VIEW)
    scene, eye = Scene((placed,), _STUDIO, camera), camera.eye
    rays = camera.rays(*_grid(2 * size))
    reach = marcher.march(solid, placed.points(eye[:, None]), placed.directions(rays))
    hit = np.flatnonzero(np.isfinite(reach))
    colour = np.zeros((3, 4 * size * size), np.float32)
    colour[:, hit] = marcher.encode(surface(scene, placed, eye[:, None] + rays[:, hit] * reach[hit], rays[:, hit]))
    covered = _halved(np.isfinite(reach)[None].astype(np.float32), size)[0]  # (size, size)
    mean = _halved(colour, size) / np.maximum(covered, 1e-6)  # only of rays that hit: no rim of the floor's colour
    pixels = np.concatenate([mean, covered[None]]).transpose(1, 2, 0)
    return Sprite(_bytes(pixels), _bytes(_shade(scene, size)), _foot(camera))


def _shade(scene: Scene, size: int) -> np.ndarray:
    """(size, size) light of the floor with the product over that without it, fading out towards the frame."""
    x, y = _grid(size)
    rays, eye = scene.camera.rays(x, y), scene.camera.eye
    alone = Scene((), scene.studio, scene.camera)
    left = (backdrop(scene, eye, rays) / np.maximum(backdrop(alone, eye, rays), 1e-6)).mean(axis=0)
    inner = np.clip((0.5 - np.maximum(np.abs(x), np.abs(y))) / 0.12, 0, 1)
    return np.asarray(1 - (1 - np.clip(left, 0, 1)) * inner).reshape(size, size)


def _foot(camera: Camera) -> float:
    """Where the picture shows the point of the floor below the target."""
    below, ahead = (
        -camera.target[1] * math.cos(camera.pitch),
        camera.distance + camera.target[1] * math.sin(camera.pitch),
    )
    return 0.5 - below / ahead / (2 * math.tan(camera.view / 2))


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = np.meshgrid(steps, steps)
    return x.ravel(), y.ravel()


def _halved(values: np.ndarray, size: int) -> np.ndarray:
    """(channels, 4 size²) to (channels, size, size) means of 2 × 2."""
    return np.asarray(values.reshape(len(values), size, 2, size, 2).mean(axis=(2, 4)))


def _bytes(values: np.ndarray) -> np.ndarray:
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
