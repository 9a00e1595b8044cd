"""GeM and R-MAC in place of a network's own average: as their equations have them, and only where they are asked for."""

from __future__ import annotations

import functools
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from pipeline import plugins
from pipeline.encoders import torchvision as plugin
from pipeline.errors import UsageError
from pipeline.fingerprints import encoder_fingerprint
from pipeline.networks import onnx_runtime
from pipeline.networks.frozen import TorchEncoder, arrays, seeded
from pipeline.networks.maps import LastMaps
from pipeline.networks.pooling import RMAC, GeM, regions

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = "torchvision:arch=squeezenet1_1,weights=none"
SPECS = (SMALL, "timm:arch=test_resnet,weights=none", "efficientnet_lite:resolution=64")


@functools.cache
def build(spec: str) -> TorchEncoder:
    return plugins.build("encoders", spec, device="cpu")


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def maps(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 4, rows, columns)).astype(np.float32)


def gem(one: np.ndarray, p: float) -> list[float]:
    """Equation 3: of each map the p-th root of the mean of x^p."""
    found = []
    for plane in one:
        powers = [max(0.0, float(x)) ** p for x in plane.ravel()]
        found.append((sum(powers) / len(powers)) ** (1 / p))
    return found


def rmac(one: np.ndarray, scales: int) -> np.ndarray:
    """Section 3.2 on square maps: l × l regions of side 2 W / (l + 1), each maximum of unit length, all added."""
    width, total = one.shape[1], np.zeros(len(one))
    for scale in range(1, scales + 1):
        side = math.floor(2 * width / (scale + 1))
        for i in range(scale):
            for j in range(scale):
                step = (width - side) / (scale - 1) if scale > 1 else 0
                top, left = math.floor(i * step), math.floor(j * step)
                cut = one[:, top : top + side, left : left + side]
                total += unit(np.array([max(0.0, float(plane.max())) for plane in cut]))
    return total


@pytest.mark.parametrize("p", [1.0, 3.0, 60.0])
def test_gem_is_the_pth_root_of_the_mean_of_pth_powers(p: float) -> None:
    given = maps(5, 6)
    expected = [gem(one, p) for one in given]
    np.testing.assert_allclose(GeM(p)(torch.from_numpy(given)), expected, rtol=1e-5)
    large = torch.from_numpy(given * 1e6)  # whose powers float32 does not hold
    np.testing.assert_allclose(GeM(p)(large), np.array(expected) * 1e6, rtol=1e-5)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_rmac_adds_the_maxima_of_regions(scales: int) -> None:
    given = maps(7, 7)
    found = RMAC(scales, rows=7, columns=7)(torch.from_numpy(given))
    np.testing.assert_allclose(found, [rmac(one, scales) for one in given], rtol=1e-5)


def test_regions_of_a_long_picture_overlap_by_two_fifths_and_reach_its_ends() -> None:
    """10 × 22 cells: of 2 to 22 squares of side 10 in a row, 3 overlap by 4 cells of 10."""
    assert regions(10, 22, scales=1) == [(0, 0, 10), (0, 6, 10), (0, 12, 10)]
    assert regions(22, 10, scales=1) == [(left, top, side) for top, left, side in regions(10, 22, scales=1)]
    second = regions(10, 22, scales=2)[3:]  # 2 × (2 + 3 − 1) squares of side 2 · 10 / 3
    assert len(second) == 8
    assert {side for _, _, side in second} == {6}
    assert {top for top, _, _ in second} == {0, 4}
    assert sorted({left for _, left, _ in second})[0::3] == [0, 16]


@pytest.mark.parametrize("spec", SPECS)
def test_an_encoder_pools_the_maps_that_its_network_would_average(spec: str) -> None:
    plain = build(spec)
    given = np.random.default_rng(1).integers(0, 256, (2, *plain.cropping.size, 3), dtype=np.uint8)
    network = LastMaps(plain._again()).eval()
    with torch.inference_mode():
        inputs = torch.from_numpy(given).permute(0, 3, 1, 2).float() * plain._whole.scale + plain._whole.shift
        seen = network(inputs).numpy()
    average = unit(np.maximum(seen, 0).mean(axis=(2, 3)))  # these three end in a ReLU
    np.testing.assert_allclose(plain.encode(given), average, atol=1e-5)
    for options, slow in (("gem", lambda one: gem(one, 3)), ("rmac", lambda one: rmac(one, 3))):
        rows = build(f"{spec},pooling={options}").encode(given)
        np.testing.assert_allclose(rows, unit(np.array([slow(one) for one in seen])), atol=1e-5)


@pytest.mark.parametrize("pooling", ["gem", "rmac"])
def test_onnx_runtime_gives_the_same(home: Path, pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    encoder = build(f"{SPECS[1]},pooling={pooling}")
    given = np.random.default_rng(2).integers(0, 256, (3, *encoder.cropping.size, 3), dtype=np.uint8)
    by_torch = encoder.encode(given)
    monkeypatch.setattr(onnx_runtime, "PAYS_FROM", 1)
    assert encoder._onnx is not None
    by_onnx = encoder._onnx.encode(given, threads=1)
    assert by_onnx is not None
    assert np.all((by_onnx * by_torch).sum(axis=1) >= 0.9999)


def test_galleries_made_before_there_was_a_choice_keep_their_fingerprint() -> None:
    """Written with what was covered then: weights, cropping, architecture, and torchvision's layer."""
    with seeded(0):
        old = models.squeezenet1_1()
    name, _ = plugin._last_layer(old)
    old.set_submodule(name, torch.nn.Identity())
    facts = {"architecture": "torchvision squeezenet1_1", "layer": "penultimate"}
    expected = encoder_fingerprint(arrays(old), cropping=asdict(build(SMALL).cropping), **facts)
    assert build(SMALL).fingerprint == expected
    lite = "425be8fc7d31b436f4d43dbfd79fea11ec52a67d08a53abe6bb016f82d1838e4"
    assert build("efficientnet_lite").fingerprint == lite


def test_what_changes_an_embedding_changes_the_fingerprint_and_defaults_do_not() -> None:
    other = ["", ",pooling=gem", ",pooling=gem,p=4", ",pooling=rmac", ",pooling=rmac,scales=2"]
    assert len({build(SMALL + options).fingerprint for options in other}) == len(other)
    assert build(f"{SMALL},pooling=own,p=3,scales=3").fingerprint == build(SMALL).fingerprint
    assert build(f"{SMALL},pooling=gem,p=3,scales=3").fingerprint == build(f"{SMALL},pooling=gem").fingerprint
    for spec in SPECS[1:]:
        assert len({build(spec + options).fingerprint for options in ("", ",pooling=gem", ",pooling=rmac")}) == 3


def test_an_encoder_that_pools_otherwise_still_keeps_its_places() -> None:
    picture = Image.effect_noise((90, 90), 90).convert("RGB")
    np.testing.assert_array_equal(build(f"{SMALL},pooling=gem").cells([picture], 6), build(SMALL).cells([picture], 6))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("torchvision:arch=mnasnet0_5,weights=none,pooling=gem", "maps are not known"),
        ("timm:arch=test_vit,weights=none,pooling=rmac", "gives no maps that could be pooled otherwise"),
        (f"{SMALL},layer=logits,pooling=gem", "leave it out, or pooling=gem"),
        (f"{SMALL},p=4", "p=4 belongs to pooling=gem; with pooling=own leave it out"),
        (f"{SMALL},pooling=gem,scales=2", "scales=2 belongs to pooling=rmac"),
        (f"{SMALL},pooling=gem,p=nan", "p=nan is not between 1"),
        (f"{SMALL},pooling=rmac,scales=0", "scales=0 is not between 1 and 8"),
        (f"{SMALL},pooling=max", "'max' is not one of own, gem, rmac"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(spec)
