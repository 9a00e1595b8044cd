"""What a scene is made of: solids with painted parts, where they stand, the studio's light and the camera.

Lengths are in units where a product is about 2 high; y points up, the floor is y = 0, colours are linear light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.datasets._render.distances import Distance, length
from pipeline.datasets._render.patterns import FACED, Paint, Wrap


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


@dataclass(frozen=True)
class Part:
    """A piece of a solid with a surface of its own. gloss and glow in [0, 1]."""

    distance: Distance
    paint: Paint
    gloss: float = 0.3
    glow: float = 0.0


@dataclass(frozen=True)
class Solid:
    """Parts in the solid's own coordinates, standing on y = 0, with a sphere that holds them all."""

    parts: tuple[Part, ...]
    centre: np.ndarray  # (3,)
    radius: float

    def distance(self, p: np.ndarray) -> np.ndarray:
        """(3, n) points to (n,) signed distances."""
        nearest = self.parts[0].distance(p)
        for part in self.parts[1:]:
            nearest = np.minimum(nearest, part.distance(p))
        return nearest


def solid(parts: tuple[Part, ...]) -> Solid:
    """Find the bounding sphere by looking at a grid over x, z in [-1.6, 1.6], y in [-0.1, 2.6]."""
    axis, height = np.linspace(-1.6, 1.6, 33, dtype=np.float32), np.linspace(-0.1, 2.6, 28, dtype=np.float32)
    p = np.stack([a.ravel() for a in np.meshgrid(axis, height, axis, indexing="ij")])
    near = p[:, Solid(parts, p[:, 0], 0).distance(p) < 0.09]  # half a cell's diagonal: no piece falls between
    centre = (near.min(axis=1) + near.max(axis=1)) / 2
    return Solid(parts, centre, float(length(*(near - centre[:, None])).max()))


@dataclass(frozen=True)
class Placed:
    """A solid in the scene: where it stands on the floor, turned by radians around the upright axis, scaled."""

    solid: Solid
    x: float = 0.0
    z: float = 0.0
    angle: float = 0.0
    scale: float = 1.0

    @classmethod
    def centred(cls, solid: Solid, angle: float, scale: float = 1.0) -> Placed:
        """Stood so that the middle of its bounding sphere is above the origin."""
        x, _, z = (turned(solid.centre[:, None], angle)[:, 0] * np.float32(scale)).tolist()
        return cls(solid, -x, -z, angle, scale)

    def points(self, p: np.ndarray) -> np.ndarray:
        """World points (3, n) in the solid's coordinates."""
        moved = np.stack([p[0] - np.float32(self.x), p[1], p[2] - np.float32(self.z)])
        return self.directions(moved) * np.float32(1 / self.scale)

    def directions(self, d: np.ndarray) -> np.ndarray:
        return turned(d, -self.angle)


@dataclass(frozen=True)
class Studio:
    """Light and background. Colours are (3,) linear; the sun's direction points from the scene to the light."""

    floor: np.ndarray
    wall: np.ndarray
    azimuth: float = 0.7  # radians, 0 = from the camera, positive = from the right
    elevation: float = 0.9
    softness: float = 0.12  # width of the shadow's edge as a share of its distance

    @property
    def sun(self) -> tuple[float, float, float]:
        flat = math.cos(self.elevation)
        return flat * math.sin(self.azimuth), math.sin(self.elevation), flat * math.cos(self.azimuth)


@dataclass(frozen=True)
class Camera:
    """Looks at `target` from `distance`, `pitch` radians above it; `shift` moves the picture by parts of its size."""

    target: tuple[float, float, float]
    distance: float
    pitch: float = 0.4
    view: float = 0.5  # the angle of the whole picture, radians
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def eye(self) -> np.ndarray:
        x, y, z = self.target
        up, back = self.distance * math.sin(self.pitch), self.distance * math.cos(self.pitch)
        return np.array([x, y + up, z + back], np.float32)

    def rays(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Picture coordinates in [-0.5, 0.5], y down, to (3, n) unit directions."""
        reach = 2 * math.tan(self.view / 2)
        u, v = (x - self.shift[0]) * reach, (self.shift[1] - y) * reach
        sine, cosine = math.sin(self.pitch), math.cos(self.pitch)
        d = np.stack([u, v * cosine - sine, -v * sine - cosine]).astype(np.float32)
        return d / length(*d)


@dataclass(frozen=True)
class Scene:
    placed: tuple[Placed, ...]
    studio: Studio
    camera: Camera


def crossing(
    solid: Solid, start: np.ndarray, rays: np.ndarray, margin: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the rays that cross the bounding sphere, widened by `margin` times, and where they enter and leave."""
    offset = start - solid.centre[:, None]
    along = (offset * rays).sum(axis=0)
    inside = along * along - (offset * offset).sum(axis=0) + np.float32((solid.radius * margin) ** 2)
    root = np.sqrt(np.maximum(inside, 0))
    rows = np.flatnonzero((inside > 0) & (root > along))
    along, root = along[rows], root[rows]
    return rows, np.maximum(-along - root, 0), root - along


def turned(d: np.ndarray, angle: float) -> np.ndarray:
    """(3, n) turned by `angle` radians around the upright axis, z towards x."""
    sine, cosine = np.float32(math.sin(angle)), np.float32(math.cos(angle))
    return np.stack([cosine * d[0] + sine * d[2], d[1], cosine * d[2] - sine * d[0]])
