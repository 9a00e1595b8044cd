"""Our pixels are torchvision's and timm's, made with less work."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import models
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from pipeline.encoders.torchvision import _cropping
from pipeline.networks.cropping import Cropping

SIZES = [(200, 266), (266, 200), (640, 480), (224, 224), (100, 30), (301, 299), (1, 1), (7, 300), (2000, 1500)]


def photo(size: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resize", [224, 256, 235])
def test_pixels_are_those_of_resize_then_crop(size: tuple[int, int], interpolation: str, resize: int) -> None:
    cropping = Cropping(size=(224, 224), resize=(resize, resize), interpolation=interpolation)
    image = photo(size)
    slow = F.center_crop(F.resize(image, [resize], interpolation=InterpolationMode(interpolation)), [224, 224])
    difference = np.abs(cropping.pixels(image).astype(int) - np.asarray(slow).astype(int))
    # a picture more than four times too large is first shrunk by a whole number, which rounds once more
    assert difference.max() <= (2 if max(size) < 1000 else 12)
    assert difference.mean() <= (0.3 if max(size) < 1000 else 1.5)


def test_squashing_shows_the_whole_picture_with_another_aspect() -> None:
    image = photo((300, 100))
    cropping = Cropping(size=(64, 64), resize=(64, 64), squash=True)
    slow = image.resize((64, 64), Image.Resampling.BILINEAR)
    assert np.abs(cropping.pixels(image).astype(int) - np.asarray(slow).astype(int)).max() <= 2


@pytest.mark.parametrize("size", [(60, 90), (200, 90), (61, 300)])
def test_what_is_not_square_is_covered_in_both_directions(size: tuple[int, int]) -> None:
    pixels = Cropping(size=(96, 48), resize=(96, 48)).pixels(photo(size))
    assert pixels.shape == (96, 48, 3)
    assert pixels.dtype == np.uint8


def test_a_picture_without_rgb_is_converted() -> None:
    cropping = Cropping(size=(8, 8), resize=(8, 8))
    np.testing.assert_array_equal(cropping.pixels(Image.new("L", (9, 9), 77)), np.full((8, 8, 3), 77))


def test_an_extreme_strip_takes_no_more_memory_than_its_crop() -> None:
    image = photo((9000, 2))
    cropping = Cropping(size=(224, 224), resize=(256, 256))
    tracemalloc.start()
    cropping.pixels(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("arch", ["resnet50", "efficientnet_b1", "inception_v3", "swin_t"])
def test_the_whole_recipe_is_torchvisions_own(arch: str, clothing: Path) -> None:
    transforms = models.get_model_weights(arch).DEFAULT.transforms()
    cropping = _cropping(transforms)
    for path in sorted((clothing / "test").rglob("*.jpg"))[::90]:
        with Image.open(path) as image:
            expected = transforms(image).numpy()
            pixels = cropping.pixels(image).astype(np.float32).transpose(2, 0, 1) / 255
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (cropping.mean, cropping.std))
        ours = (pixels - mean) / std
        assert ours.shape == expected.shape
        cosine = (ours * expected).sum() / np.linalg.norm(ours) / np.linalg.norm(expected)
        assert cosine >= 0.9999
