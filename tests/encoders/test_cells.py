"""What a network sees in each cell of a picture: the maps before its pooling, of every kind of network that has some."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipeline import plugins
from pipeline.errors import UsageError

PICTURE = Image.effect_noise((120, 90), 90).convert("RGB")
SHAPES = {
    "deep_ranking:trained=false": (6, 6, 192),
    "torchvision:arch=squeezenet1_1,weights=none": (6, 6, 512),
    "timm:arch=vit_tiny_patch16_224,weights=none": (6, 6, 192),
}


@pytest.mark.parametrize("spec", SHAPES)
def test_a_picture_has_as_many_cells_as_the_network_s_last_maps(spec: str) -> None:
    encoder = plugins.build("encoders", spec, device="cpu")
    cells = encoder.cells([PICTURE, PICTURE.rotate(180)], 6)
    assert cells.shape == (2, *SHAPES[spec])
    assert cells.dtype == np.float32
    assert np.isfinite(cells).all()
    np.testing.assert_allclose(encoder.cells([PICTURE], 6)[0], cells[0], atol=1e-3)


def test_a_thing_in_a_corner_is_seen_in_that_corner() -> None:
    encoder = plugins.build("encoders", "torchvision:arch=squeezenet1_1,weights=none", device="cpu")
    plain = Image.new("RGB", (224, 448), "gray")  # its middle alone is what an embedding is of
    thing = plain.copy()
    thing.paste(PICTURE.resize((60, 60)), (0, 0))
    apart = np.abs(np.subtract(*encoder.cells([plain, thing], 14))).sum(axis=2)
    row, column = np.unravel_index(apart.argmax(), apart.shape)
    assert row <= 4
    assert column <= 4
    assert apart[8:].max() < 0.1 * apart.max()


def test_a_network_whose_maps_are_not_known_says_so() -> None:
    with pytest.raises(UsageError, match="maps are not known"):
        plugins.build("encoders", "torchvision:arch=vit_b_16,weights=none", device="cpu").cells([PICTURE], 6)
