"""The perceptual hash: what survives re-encoding, what does not, and the transform against a plain loop."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.features.perceptual_hash import BITS, _waves, perceptual_hash
from tests.tiny_gallery import draw


@pytest.fixture
def picture(tmp_path: Path) -> Image.Image:
    return Image.open(draw(tmp_path / "a.png", 1, size=(200, 150)))


def distance(one: Image.Image, other: Image.Image) -> int:
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


def test_half_of_the_64_bits_are_set(picture: Image.Image) -> None:
    found = perceptual_hash(picture)
    assert 0 <= found < 2**BITS
    assert found.bit_count() == 32  # above the median of 64


@pytest.mark.parametrize("quality", [30, 90])
def test_a_jpeg_has_nearly_the_same_bits(picture: Image.Image, quality: int) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    assert distance(picture, Image.open(buffer)) <= 8


@pytest.mark.parametrize("size", [(100, 75), (50, 38), (400, 300), (150, 150)])
def test_another_size_or_shape_has_nearly_the_same_bits(picture: Image.Image, size: tuple[int, int]) -> None:
    assert distance(picture, picture.resize(size, Image.Resampling.BICUBIC)) <= 8


def test_brightness_changes_nothing_and_another_picture_half_the_bits(picture: Image.Image, tmp_path: Path) -> None:
    darker = picture.point(lambda value: value // 2)
    assert distance(picture, darker) <= 8
    others = [Image.open(draw(tmp_path / f"{seed}.png", seed)) for seed in range(10, 30)]
    assert 24 <= np.mean([distance(picture, other) for other in others]) <= 40


def test_the_frequencies_are_those_of_the_textbook() -> None:
    signal = np.random.default_rng(0).standard_normal(32)
    for row, frequency in zip(_waves(), range(1, 9), strict=True):
        slow = sum(signal[i] * math.cos(math.pi / 32 * (i + 0.5) * frequency) for i in range(32)) * math.sqrt(2 / 32)
        assert row @ signal == pytest.approx(slow, abs=1e-9)
