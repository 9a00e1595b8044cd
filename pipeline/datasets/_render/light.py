"""Light in the studio: soft shadows, corners that darken, a clear coat, and a paper roll behind it all."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pipeline.datasets._render.distances import length
from pipeline.datasets._render.scene import Placed, Scene, crossing, turned


def surface(scene: Scene, placed: Placed, p: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Light that leaves world points (3, n) of a solid towards the camera."""
    studio, solid = scene.studio, placed.solid
    local = placed.points(p)
    owner = np.argmin(np.stack([part.distance(local) for part in solid.parts]), axis=0)
    facing = _normals(solid.distance, local)
    albedo = np.empty_like(local)
    gloss, glow = np.empty(p.shape[1], np.float32), np.empty(p.shape[1], np.float32)
    for number, part in enumerate(solid.parts):
        mine = np.flatnonzero(owner == number)
        if mine.size:
            albedo[:, mine] = part.paint(local[:, mine], facing[:, mine])
            gloss[mine], glow[mine] = part.gloss, part.glow
    normal = turned(facing, placed.angle)
    sun = np.array(studio.sun, np.float32)[:, None]
    toward = (normal * sun).sum(axis=0)
    lit = np.flatnonzero(toward > 0)
    key = np.zeros(p.shape[1], np.float32)
    key[lit] = toward[lit] * _shade(scene, p[:, lit] + normal[:, lit] * np.float32(0.015))
    sky = _openness(scene, p, normal)
    fill = np.maximum(normal[2] * 0.8 - normal[0] * math.copysign(0.5, studio.azimuth) + 0.15, 0)
    up = 0.5 + 0.5 * normal[1]
    ambient = (up * 0.34 + fill * 0.20) * sky
    bounce = studio.floor[:, None] * ((1 - up) * sky * 0.30)
    warm = np.array([[1.03], [1.0], [0.95]], np.float32)
    light = albedo * (key * 0.92 * warm + ambient + bounce)
    light += _glint(normal, view, sun, key, toward) * gloss * (0.35 + 0.65 * sky)
    return light * (1 - glow) + albedo * (glow * 1.5)


def backdrop(scene: Scene, eye: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Light of floor and wall, which melt into each other as on a photographer's paper roll."""
    studio, centre = scene.studio, scene.camera
    drop = np.minimum(rays[1], -1e-4)
    t = np.minimum(-eye[1] / drop, 60.0)
    p = eye[:, None] + rays * t
    away = length(p[0] - centre.target[0], p[2] - centre.target[2])
    wall = np.clip((away - 2.2) / 5.0, 0, 1) * (p[2] < centre.target[2])
    wall = wall * wall * (3 - 2 * wall)
    pool = np.exp(-0.035 * away * away) * 0.28 + 0.8  # the light falls off to the sides
    up = np.array([[0.0], [1.0], [0.0]], np.float32)
    sun, sky = np.ones(rays.shape[1], np.float32), np.ones(rays.shape[1], np.float32)
    close = np.flatnonzero((away < 7) & (wall < 1))
    sun[close] = _shade(scene, p[:, close])
    sky[close] = _openness(scene, p[:, close], np.broadcast_to(up, (3, close.size)))
    level = (0.60 * sun + 0.40 * (1 - wall) * sky + 0.40 * wall) * pool
    return (studio.floor[:, None] * (1 - wall) + studio.wall[:, None] * wall) * level


def _shade(scene: Scene, p: np.ndarray) -> np.ndarray:
    """Share of the sun, (n,) in [0, 1], that reaches world points (3, n); its edge widens with distance."""
    open_share = np.ones(p.shape[1], np.float32)
    width = 1 / scene.studio.softness
    for placed in scene.placed:
        sun = placed.directions(np.array(scene.studio.sun, np.float32)[:, None])  # (3, 1)
        start = placed.points(p)
        rows, t, far = crossing(placed.solid, start, np.broadcast_to(sun, start.shape), 1.3)
        t = t + 0.02
        start, share = start[:, rows], np.ones(rows.size, np.float32)
        for _ in range(7):
            for _ in range(4):
                gap = placed.solid.distance(start + sun * t)
                share = np.minimum(share, 0.5 + gap / t * (width * 0.5))
                t = t + np.clip(gap, 0.025, 0.25)
            over = (share <= 0) | (t > far)
            open_share[rows[over]] *= np.clip(share[over], 0, 1)
            left = ~over
            rows, start, share, t, far = rows[left], start[:, left], share[left], t[left], far[left]
            if not rows.size:
                break
        open_share[rows] *= np.clip(share, 0, 1)
    return open_share * open_share * (3 - 2 * open_share)


def _openness(scene: Scene, p: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Share of the sky, (n,) in [0, 1], left open by solids near world points (3, n)."""
    blocked = np.zeros(p.shape[1], np.float32)
    for placed in scene.placed:
        start, direction = placed.points(p), placed.directions(normal)
        near = np.flatnonzero(length(*(start - placed.solid.centre[:, None])) < placed.solid.radius * 1.35)
        start, direction = start[:, near], np.broadcast_to(direction, start.shape)[:, near]
        for reach, weight in ((0.06, 3.0), (0.15, 1.6), (0.32, 0.9)):
            gap = placed.solid.distance(start + direction * reach)
            blocked[near] += np.clip(reach - gap, 0, None) * weight
    return 1 / (1 + 1.6 * blocked + blocked * blocked)


def _glint(normal: np.ndarray, view: np.ndarray, sun: np.ndarray, key: np.ndarray, toward: np.ndarray) -> np.ndarray:
    """(n,) white light mirrored by a clear coat: a square softbox at the sun, and the bright room at the rim."""
    head_on = -(normal * view).sum(axis=0)
    mirrored = view + 2 * head_on * normal
    side = np.array([sun[2], 0 * sun[0], -sun[0]]) / length(sun[0], sun[2])
    above = np.cross(sun, side, axis=0)
    front = np.maximum((mirrored * sun).sum(axis=0), 1e-3)
    across = np.maximum(np.abs((mirrored * side).sum(axis=0)), np.abs((mirrored * above).sum(axis=0))) / front
    box = np.clip((0.42 - across) / 0.16, 0, 1) * np.clip(key / np.maximum(toward, 1e-3), 0, 1)
    rim = (1 - np.clip(head_on, 0, 1)) ** 4
    return box * 0.55 + rim * 0.35 * (0.4 + 0.6 * np.clip(mirrored[1] + 0.5, 0, 1))


def _normals(distance: Callable[[np.ndarray], np.ndarray], p: np.ndarray) -> np.ndarray:
    """Unit gradients of a distance at (3, n) points, by differences over a tetrahedron."""
    total = np.zeros_like(p)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        k = np.array(corner, np.float32)[:, None]
        total += k * distance(p + k * np.float32(0.009))
    return total / np.maximum(length(*total), 1e-9)
