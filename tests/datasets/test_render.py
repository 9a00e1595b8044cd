"""The studio: sound distances, the same bytes each time, and products one can see and tell apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.datasets._render.distances import outline
from pipeline.datasets._render.marcher import Picture, render
from pipeline.datasets._render.patterns import COLOURS, PATTERNS, Print, linear
from pipeline.datasets._render.products import KINDS, product
from pipeline.datasets._render.scene import Camera, Placed, Scene, Solid, Studio, Variation

VARIATIONS = [Variation(), Variation(1, 1, 1, 1), Variation(-1, -1, -1, -1), Variation(1, -1, 1, -1)]
STUDIO = Studio(floor=linear("ece7df"), wall=linear("d5d2cc"))


def item(kind: str, *, colour: str = "teal", pattern: str = "plain", variation: Variation = VARIATIONS[0]) -> Solid:
    return product(kind, variation, Print(pattern), linear(COLOURS[colour]), linear("f6f0e2"))


def scene(solid: Solid, angle: float = 0.5) -> Scene:
    camera = Camera((0.0, float(solid.centre[1]), 0.0), solid.radius / float(np.sin(0.25)))
    return Scene((Placed.centred(solid, angle),), STUDIO, camera)


def lightness_and_hue(srgb: np.ndarray) -> np.ndarray:
    """OKLab of (3,) sRGB in [0, 1], with lightness at half weight because shade changes it."""
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(
        np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]) @ light
    )
    mix = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])
    return np.array([0.5, 1, 1]) * (mix @ cones)


@pytest.mark.parametrize("kind", KINDS)
def test_a_distance_changes_by_no_more_than_the_way_walked(kind: str) -> None:
    rng = np.random.default_rng(0)
    for variation in VARIATIONS:
        solid = item(kind, variation=variation)
        p = (solid.centre[:, None] + rng.uniform(-1.7, 1.7, (3, 20_000))).astype(np.float32)
        step = rng.normal(size=p.shape)
        step *= rng.uniform(0.02, 0.3, p.shape[1]) / np.linalg.norm(step, axis=0)
        q = (p + step).astype(np.float32)
        change = np.abs(solid.distance(p) - solid.distance(q)) / np.linalg.norm(q - p, axis=0)
        assert change.max() <= 1.03  # a tabulated outline is interpolated


@pytest.mark.parametrize("kind", KINDS)
def test_the_bounding_sphere_holds_all_of_a_solid_and_it_stands_on_the_floor(kind: str) -> None:
    rng = np.random.default_rng(1)
    for variation in VARIATIONS:
        solid = item(kind, variation=variation)
        p = rng.uniform([[-2], [-0.5], [-2]], [[2], [3], [2]], (3, 60_000)).astype(np.float32)
        away = np.linalg.norm(p - solid.centre[:, None], axis=0)
        inside = solid.distance(p) < 0
        assert inside.any()
        assert away[inside].max() < solid.radius
        assert -0.06 < p[1, inside].min() < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_is_whole_and_in_the_middle(kind: str) -> None:
    for variation, angle in zip(VARIATIONS, (-0.9, 0.0, 0.5, 0.9), strict=True):
        owner = render(scene(item(kind, variation=variation), angle), 48).owner
        assert 0.08 < (owner == 1).mean() < 0.7
        rows, columns = np.nonzero(owner)
        assert abs((columns.min() + columns.max()) / 2 - 23.5) < 6
        assert abs((rows.min() + rows.max()) / 2 - 23.5) < 6


@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_product_shows_the_colour_it_is_named_by(colour: str) -> None:
    named = {
        name: lightness_and_hue(np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)]) / 255)
        for name, text in COLOURS.items()
    }
    for kind in KINDS:
        if kind == "clock":  # seen from the front it is mostly dial
            continue
        picture = render(scene(item(kind, colour=colour)), 32)
        seen = lightness_and_hue(np.median(picture.pixels[picture.owner == 1], axis=0) / 255)
        assert min(named, key=lambda name: float(np.linalg.norm(named[name] - seen))) == colour, kind


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_on_the_same_product_look_different(kind: str) -> None:
    pictures = [render(scene(item(kind, pattern=pattern)), 48) for pattern in PATTERNS]
    shown = pictures[0].owner == 1
    for i, first in enumerate(pictures):
        for second in pictures[:i]:
            changed = np.abs(first.pixels.astype(int) - second.pixels)[shown].max(axis=1) > 40
            assert changed.mean() > 0.08


def test_the_same_scene_gives_the_same_bytes() -> None:
    first, second = (render(scene(item("teapot", pattern="speckle")), 64) for _ in range(2))
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.owner.tobytes() == second.owner.tobytes()


def test_a_silhouette_is_smooth_and_the_rest_is_what_one_ray_a_pixel_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = scene(item("cup", colour="black"))
    smooth = render(subject, 64)
    monkeypatch.setattr("pipeline.datasets._render.marcher._EDGE", 9.0)
    rough = render(subject, 64)
    changed = (smooth.pixels != rough.pixels).any(axis=2)
    assert 0 < changed.mean() < 0.3
    inner = smooth.owner[1:-1, 1:-1]
    neighbours = (smooth.owner[:-2, 1:-1], smooth.owner[2:, 1:-1], smooth.owner[1:-1, :-2], smooth.owner[1:-1, 2:])
    outline_pixels = np.any([inner != other for other in neighbours], axis=0)
    between = smooth.pixels[1:-1, 1:-1][outline_pixels].mean(axis=1)
    assert ((between > 70) & (between < 180)).mean() > 0.3  # neither black cup nor pale paper


def test_the_shadow_falls_on_the_side_away_from_the_light() -> None:
    def floor_left_and_right(azimuth: float) -> tuple[float, float]:
        subject = scene(item("candle"))
        picture = render(replace(subject, studio=replace(STUDIO, azimuth=azimuth, elevation=0.7)), 64)
        low = np.where(picture.owner[28:, :, None] == 0, picture.pixels[28:], np.nan).astype(float)
        return float(np.nanmean(low[:, :32])), float(np.nanmean(low[:, 32:]))

    left, right = floor_left_and_right(1.2)  # light from the right
    assert left < right
    left, right = floor_left_and_right(-1.2)
    assert left > right


def test_of_several_solids_the_nearer_one_owns_the_pixels_and_shades_the_other() -> None:
    cup, table = item("cup", colour="red"), item("table", colour="blue")
    camera = Camera((0.0, 0.7, 0.0), 9.0, pitch=0.3)
    behind, before = Placed(table, z=-1.5, scale=1.2), Placed(cup, z=1.5, angle=0.4, scale=0.8)

    def shown(*placed: Placed) -> Picture:
        return render(Scene(placed, STUDIO, camera), 64)

    both, only_cup, only_table = shown(behind, before), shown(before), shown(behind)
    assert ((both.owner == 2) == (only_cup.owner == 1)).all()
    assert ((both.owner == 1) == ((only_table.owner == 1) & (only_cup.owner == 0))).all()
    assert (both.owner == 1).any()
    order = shown(before, behind)
    assert (order.owner == np.array([0, 2, 1], np.uint8)[both.owner]).all()
    assert np.abs(order.pixels.astype(int) - both.pixels).max() <= 1


def test_an_empty_studio_is_a_calm_background() -> None:
    picture = render(Scene((), STUDIO, Camera((0.0, 1.0, 0.0), 6.0)), 32)
    assert not picture.owner.any()
    assert np.abs(np.diff(picture.pixels.astype(int), axis=0)).max() < 12


def test_an_outline_measures_the_distance_to_its_curve() -> None:
    square = outline([(-0.5, 0.5), (0.5, 0.5), (0.5, 1.5), (-0.5, 1.5)], closed=True, smooth=False)
    rng = np.random.default_rng(2)
    for x, y in rng.uniform([-1.2, -0.2], [1.2, 2.2], (200, 2)):
        across, up = abs(x) - 0.5, abs(y - 1) - 0.5
        true = np.hypot(max(across, 0), max(up, 0)) + min(max(across, up), 0)
        found = square(np.array([x], np.float32), np.array([y], np.float32))[0]
        assert found == pytest.approx(true, abs=0.015)
