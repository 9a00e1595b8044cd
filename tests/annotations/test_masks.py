"""Masks as text and as pixels."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.annotations import masks
from pipeline.errors import UsageError


def test_masks_come_back_as_the_pixels_they_were() -> None:
    pixels = np.random.default_rng(0).random((48, 64)) < 0.3
    text = masks.encode(pixels)
    assert (masks.decode(text, width=64, height=48) == pixels).all()
    for mask in (np.zeros((48, 64), bool), np.ones((48, 64), bool)):
        assert (masks.decode(masks.encode(mask), width=64, height=48) == mask).all()
    square = masks.decode("[[8, 4, 20, 4, 20, 10, 8, 10]]", width=64, height=48)
    assert square.sum() == 12 * 6
    assert square[4:10, 8:20].all()


@pytest.mark.parametrize(
    "mask",
    ["{}", "[[1]]", "nonsense", '{"size": [48, 64], "counts": [9]}', '{"size": [9, 9], "counts": "a"}', "[]", "7"],
)
def test_a_damaged_mask_is_told(mask: str) -> None:
    with pytest.raises(UsageError, match="a mask cannot be read"):
        masks.decode(mask, width=64, height=48)
