"""The encoder without weights, held against slow sums a child could do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline import plugins
from pipeline.encoders import color_histogram
from pipeline.errors import UsageError

ENCODER = color_histogram.build()
GOLDEN = [-2.2675, -2.28, -0.6256, -1.1284, -0.028]


def noise(n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


def embed(image: Image.Image) -> np.ndarray:
    return ENCODER.encode(ENCODER.preprocess(image)[None])[0]


def dot(colour: str, ground: str = "white", *, at: tuple[int, int] = (40, 40)) -> Image.Image:
    image = Image.new("RGB", (128, 128), ground)
    ImageDraw.Draw(image).ellipse((at[0], at[1], at[0] + 48, at[1] + 48), fill=colour)
    return image


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.20, -107.86)),
    ],
)
def test_colours_are_those_of_the_published_tables(rgb: tuple, lab: tuple) -> None:
    np.testing.assert_allclose(color_histogram._lab(np.array([rgb], float))[0], lab, atol=0.1)


def test_every_colour_is_shared_out_whole() -> None:
    table = color_histogram._membership(6)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-6)
    assert np.all(table >= 0)
    assert np.all((table > 0).sum(axis=1) <= 8)


def test_colours_are_counted_pixel_by_pixel() -> None:
    batch = noise()
    counted = color_histogram._colours(batch)
    for picture, row in zip(batch, counted, strict=True):
        slow = np.zeros(4096)
        for r, g, b in picture.reshape(-1, 3).tolist():
            slow[r // 16 * 256 + g // 16 * 16 + b // 16] += 1 / 4096
        np.testing.assert_allclose(row, slow, atol=1e-7)


def test_counts_are_shared_out_as_the_table_says() -> None:
    counts = color_histogram._colours(noise())
    np.testing.assert_allclose(ENCODER._binned(counts), counts @ color_histogram._membership(6), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("grid", [4, 8])
def test_edges_are_those_of_a_plain_loop(grid: int) -> None:
    [picture] = noise(1)
    grey = [[math.sqrt(sum(map(int, pixel)) / 765) for pixel in row] for row in picture]
    cells = np.zeros((grid, grid, 8))
    for y in range(64):
        for x in range(64):
            across = grey[y][x + 1] - grey[y][x - 1] if 0 < x < 63 else 0.0
            down = grey[y + 1][x] - grey[y - 1][x] if 0 < y < 63 else 0.0
            turn = math.atan2(down, across) / math.pi * 8
            first = math.floor(turn)
            strength = math.hypot(across, down)
            cells[y * grid // 64, x * grid // 64, first % 8] += strength * (1 - (turn - first))
            cells[y * grid // 64, x * grid // 64, (first + 1) % 8] += strength * (turn - first)
    slow = np.zeros_like(cells)
    for y in range(grid):
        for x in range(grid):
            around = cells[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            slow[y, x] = cells[y, x] / math.sqrt((around**2).sum() + 0.05)
    np.testing.assert_allclose(color_histogram._edges(picture[None], grid)[0], slow.ravel(), rtol=1e-3, atol=1e-4)


def test_layout_is_a_thumbnail_without_its_mean_colour() -> None:
    [picture] = noise(1)
    blocks = [picture[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8].mean(axis=(0, 1)) for y in range(8) for x in range(8)]
    lab = color_histogram._lab(np.array(blocks) / 255)
    np.testing.assert_allclose(
        color_histogram._layout(picture[None])[0], (lab - lab.mean(axis=0)).ravel(), rtol=1e-3, atol=1e-3
    )


def test_a_picture_alone_and_among_forty_is_exactly_the_same() -> None:
    batch = noise(40)
    together = ENCODER.encode(batch)
    for row, pixels in zip(together, batch, strict=True):
        np.testing.assert_allclose(row, ENCODER.encode(pixels[None])[0], atol=1e-6)


def test_the_same_shape_in_a_near_colour_is_closer_than_in_a_far_one() -> None:
    red = embed(dot("red"))
    assert red @ embed(dot("#e01010")) > red @ embed(dot("blue")) > red @ embed(dot("blue", at=(0, 0)))


def test_the_embedding_of_a_known_picture_is_what_it_was() -> None:
    """When this must change, count the architecture's number up: galleries made before are then refused."""
    embedding = embed(dot("orange", "navy"))
    figures = [float(embedding @ np.cos(np.arange(ENCODER.dim) * step)) for step in (0.01, 0.1, 0.5, 1.0, 2.0)]
    assert figures == pytest.approx(GOLDEN, abs=2e-3)


@pytest.mark.parametrize("options", ["bins=5", "grid=4"])
def test_another_option_is_another_fingerprint(options: str) -> None:
    other = plugins.build("encoders", f"color_histogram:{options}")
    assert other.fingerprint != ENCODER.fingerprint
    assert other.dim != ENCODER.dim


@pytest.mark.parametrize("options", ["bins=1", "bins=13", "grid=3", "grid=0"])
def test_an_option_out_of_range_says_the_range(options: str) -> None:
    with pytest.raises(UsageError, match=r"is not (between|one of)"):
        plugins.build("encoders", f"color_histogram:{options}")


def test_real_photos_find_their_own_kind_twice_as_often_as_the_best_guess(clothing: Path) -> None:
    gallery = [(path, path.parent.name) for path in sorted((clothing / "train").rglob("*.jpg"))[::6]]
    queries = [(path, path.parent.name) for path in sorted((clothing / "validation").rglob("*.jpg"))[::4]]

    def embeddings(files: list[tuple[Path, str]]) -> np.ndarray:
        pixels = []
        for path, _ in files:
            with Image.open(path) as image:
                pixels.append(ENCODER.preprocess(image))
        return ENCODER.encode(np.stack(pixels))

    nearest = (embeddings(queries) @ embeddings(gallery).T).argmax(axis=1)
    found = sum(gallery[hit][1] == label for hit, (_, label) in zip(nearest, queries, strict=True))
    always_the_commonest = max(sum(label == one for _, label in queries) for one in {label for _, label in queries})
    assert found >= 2 * always_the_commonest
