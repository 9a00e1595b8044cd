"""What every detector promises. A new file in pipeline/detectors fails here until TINY says how to make a small one."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline import plugins
from pipeline.annotations import masks
from pipeline.records import Detected, Detector, Picture

NAMES = plugins.available("detectors")
TINY: dict[str, Callable[[], str]] = {
    "torchvision": lambda: "torchvision:arch=fasterrcnn_mobilenet_v3_large_320_fpn,weights=none,side=64,score=0",
}


@functools.cache
def detector_of(name: str) -> Detector:
    if name not in TINY:
        pytest.fail(f"add a line to TINY that makes a small {name}")
    return plugins.build("detectors", TINY[name](), device="cpu")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    if install := plugins.missing("detectors", request.param):
        pytest.skip(install)
    return request.param


def picture(width: int, height: int) -> Picture:
    """Blobs, decoded at half its size, as a large JPEG may be."""
    blobs = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(blobs).resize((width // 2, height // 2), Image.Resampling.BICUBIC)
    return Picture(image, width, height, "JPEG", 1)


@pytest.mark.parametrize("size", [(300, 200), (64, 160), (16, 16)])
def test_what_is_found_lies_in_the_whole_picture_the_surest_first(name: str, size: tuple[int, int]) -> None:
    found = detector_of(name).detect(picture(*size))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        assert isinstance(one, Detected)
        assert one.label
        assert 0 <= one.score <= 1
        x, y, width, height = one.box
        assert min(x, y) >= 0
        assert min(width, height) > 0
        assert x + width <= size[0] + 0.01
        assert y + height <= size[1] + 0.01
        if one.mask:
            masks.decode(one.mask, width=size[0], height=size[1])  # which refuses another size


def test_the_same_picture_has_the_same_answer(name: str) -> None:
    assert detector_of(name).detect(picture(120, 90)) == detector_of(name).detect(picture(120, 90))


def test_the_fingerprint_is_the_same_for_the_same_spec(name: str) -> None:
    again = plugins.build("detectors", TINY[name](), device="cpu")
    assert len(again.fingerprint) == 64
    assert again.fingerprint == detector_of(name).fingerprint
