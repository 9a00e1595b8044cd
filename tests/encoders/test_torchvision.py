"""Any torchvision classifier as an encoder: the right layer, torchvision's own pixels, files that are safe to open."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from file_server import Site, serving
from PIL import Image
from torch import nn
from torch.nn.functional import normalize
from torchvision import models

from pipeline import plugins
from pipeline.encoders import torchvision as plugin
from pipeline.errors import SemblanceError, UsageError
from pipeline.networks.frozen import TorchEncoder, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = "mobilenet_v3_small"
FEW = ("resnet18", "mobilenet_v2", "squeezenet1_1", "densenet121", "googlenet", "shufflenet_v2_x0_5")


def build(spec: str) -> TorchEncoder:
    return plugins.build("encoders", f"torchvision:{spec}", device="cpu")


@pytest.fixture
def photos(clothing: Path) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted((clothing / "test").rglob("*.jpg"))[::60]]


def embed(encoder: TorchEncoder, image: Image.Image) -> np.ndarray:
    return encoder.encode(encoder.preprocess(image)[None])[0]


def original(arch: str, seed: int = 0) -> nn.Module:
    """torchvision's own network with the random weights that weights=none draws."""
    published = models.get_model_weights(arch).DEFAULT
    return plugin._network(arch, published, seed).eval()


@pytest.mark.parametrize(
    ("arch", "dim"),
    [
        ("resnet18", 512),
        ("mobilenet_v2", 1280),
        (SMALL, 1024),
        ("inception_v3", 2048),
        ("squeezenet1_1", 512),
        ("densenet121", 1024),
        ("shufflenet_v2_x0_5", 1024),
        ("regnet_y_400mf", 440),
        ("swin_t", 768),
    ],
)
def test_penultimate_has_the_length_that_the_field_knows(arch: str, dim: int) -> None:
    encoder = build(f"arch={arch},weights=none")
    assert encoder.dim == dim
    assert embed(encoder, Image.new("RGB", (300, 200), "teal")).shape == (dim,)


@pytest.mark.parametrize("arch", ["resnet50", "resnet152", "vgg16", "vgg19", "vit_b_16", "vit_h_14", "maxvit_t"])
def test_the_large_ones_answer_with_their_last_layers_input_too(arch: str) -> None:
    """On the meta device, where only shapes are computed."""
    published = models.get_model_weights(arch).DEFAULT
    with torch.device("meta"):
        size = published.transforms().crop_size[0]
        options = {"image_size": size} if arch.startswith("vit_") else {}
        network = models.get_model(arch, weights=None, **options).eval()
        name, last = plugin._last_layer(network)
        classes = network(torch.zeros(1, 3, size, size)).shape[1]
        network.set_submodule(name, nn.Identity())
        assert network(torch.zeros(1, 3, size, size)).shape == (1, last.weight.shape[1])
    assert classes == last.weight.shape[0] == 1000


def test_fc7_of_alexnet_is_taken_after_its_relu() -> None:
    embedding = embed(build("arch=alexnet,weights=none"), Image.new("RGB", (60, 60), "red"))
    assert embedding.shape == (4096,)
    assert embedding.min() == 0


@pytest.mark.parametrize("arch", FEW)
@pytest.mark.parametrize("layer", ["penultimate", "logits"])
def test_the_embedding_is_what_torchvisions_own_network_and_pixels_give(
    arch: str, layer: str, photos: list[Image.Image]
) -> None:
    encoder = build(f"arch={arch},weights=none,layer={layer}")
    network, transforms = original(arch), models.get_model_weights(arch).DEFAULT.transforms()
    name, _ = plugin._last_layer(network)
    seen = []
    network.get_submodule(name).register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0] if layer == "penultimate" else output)
    )
    for photo in photos[:2]:
        with torch.inference_mode():
            network(transforms(photo)[None])
        expected = seen.pop()
        expected = expected.mean(dim=(2, 3)) if expected.ndim == 4 else expected  # squeezenet's last layer is a map
        if (arch, layer) == ("squeezenet1_1", "logits"):
            continue  # its ReLU and mean come after the last layer; the next test looks at it
        assert float(normalize(expected)[0] @ torch.from_numpy(embed(encoder, photo))) >= 0.9999


def test_squeezenets_logits_are_what_it_answers(photos: list[Image.Image]) -> None:
    encoder = build("arch=squeezenet1_1,weights=none,layer=logits")
    transforms = models.get_model_weights("squeezenet1_1").DEFAULT.transforms()
    with torch.inference_mode():
        expected = normalize(original("squeezenet1_1")(transforms(photos[0])[None]))[0]
    assert float(expected @ torch.from_numpy(embed(encoder, photos[0]))) >= 0.9999


def test_facts_that_change_an_embedding_change_the_fingerprint() -> None:
    specs = [
        f"arch={SMALL},weights=none",
        f"arch={SMALL},weights=none,seed=1",
        f"arch={SMALL},weights=none,layer=logits",
        "arch=mobilenet_v2,weights=none",
    ]
    assert len({build(spec).fingerprint for spec in specs}) == len(specs)


def test_other_weights_of_the_same_network_are_another_fingerprint(tmp_path: Path) -> None:
    torch.save(original(SMALL, seed=1).state_dict(), tmp_path / "other.pth")
    spec = f"arch={SMALL},weights={tmp_path / 'other.pth'}"
    assert build(spec).fingerprint == build(f"arch={SMALL},weights=none,seed=1").fingerprint
    assert build(spec).fingerprint != build(f"arch={SMALL},weights=none").fingerprint


def test_random_weights_depend_on_their_seed_alone() -> None:
    with seeded(3):
        first = torch.rand(4)
    torch.rand(7)
    with seeded(3):
        assert torch.equal(torch.rand(4), first)
    with seeded(4):
        assert not torch.equal(torch.rand(4), first)


@pytest.mark.parametrize(
    ("typed", "meant"), [("resnet51", "resnet50"), ("vgg-16", "vgg16"), ("inception", "inception_v3")]
)
def test_a_misspelt_network_is_answered_with_near_names(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"no classifier '{typed}'; did you mean .*{meant}"):
        build(f"arch={typed},weights=none")


def test_a_misspelt_layer_is_answered_with_the_choices() -> None:
    with pytest.raises(UsageError, match="layer='fc7' is not one of penultimate, logits"):
        build("layer=fc7")


def test_a_device_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"device 'cuda:99' is not on this machine; choose from auto, .*cpu"):
        plugins.build("encoders", f"torchvision:arch={SMALL},weights=none", device="cuda:99")


# weight files


@pytest.mark.parametrize("wrapped", ["plain", "state_dict", "parallel", "safetensors"])
def test_a_weight_file_is_read_however_it_was_saved(tmp_path: Path, wrapped: str, photos: list[Image.Image]) -> None:
    from safetensors.torch import save_file

    state = original(SMALL, seed=5).state_dict()
    file = tmp_path / ("w.safetensors" if wrapped == "safetensors" else "w.pth")
    if wrapped == "safetensors":
        save_file(state, file)
    elif wrapped == "parallel":
        torch.save(OrderedDict((f"module.{name}", tensor) for name, tensor in state.items()), file)
    else:
        torch.save({"state_dict": state, "epoch": 3} if wrapped == "state_dict" else state, file)
    encoder, expected = build(f"arch={SMALL},weights={file}"), build(f"arch={SMALL},weights=none,seed=5")
    np.testing.assert_allclose(embed(encoder, photos[0]), embed(expected, photos[0]), atol=1e-6)


def test_penultimate_needs_no_fitting_classifier_and_logits_do(tmp_path: Path) -> None:
    state = original(SMALL).state_dict()
    for name in ("classifier.3.weight", "classifier.3.bias"):
        state[name] = state[name][:9]
    torch.save(state, tmp_path / "nine.pth")
    assert build(f"arch={SMALL},weights={tmp_path / 'nine.pth'}").dim == 1024
    with pytest.raises(UsageError, match=f"not of torchvision's {SMALL}: size mismatch for classifier.3"):
        build(f"arch={SMALL},layer=logits,weights={tmp_path / 'nine.pth'}")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(original(SMALL).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        UsageError, match=r"not of torchvision's resnet18: .* of its tensors are missing and .* first conv1.weight"
    ):
        build(f"arch=resnet18,weights={tmp_path / 'w.pth'}")


def test_a_file_with_a_tensor_missing_is_refused(tmp_path: Path) -> None:
    state = original(SMALL).state_dict()
    del state["features.3.block.0.0.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"1 of its tensors are missing .* first features.3.block.0.0.weight"):
        build(f"arch={SMALL},weights={tmp_path / 'w.pth'}")


def test_densenets_published_file_has_names_of_its_own(tmp_path: Path) -> None:
    state = original("densenet121").state_dict()
    old = {name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): state[name] for name in state}
    torch.save(old, tmp_path / "old.pth")
    encoder = build(f"arch=densenet121,weights={tmp_path / 'old.pth'}")
    assert encoder.fingerprint == build("arch=densenet121,weights=none").fingerprint


def test_auxiliary_classifiers_in_a_file_do_no_harm(tmp_path: Path) -> None:
    with seeded(0):
        whole = models.googlenet(weights=None, aux_logits=True, transform_input=True, init_weights=True)
    assert any(name.startswith("aux1") for name in whole.state_dict())
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    assert build(f"arch=googlenet,weights={tmp_path / 'w.pth'}").dim == 1024


class _Boom:
    def __reduce__(self) -> tuple:
        return exec, ("raise SystemExit('the file ran code')",)


@pytest.mark.parametrize("kind", ["pickle", "torch", "text", "empty", "list", "safetensors"])
def test_nothing_but_tensors_is_opened(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "pickle":
        file.write_bytes(pickle.dumps(_Boom()))
    elif kind in ("torch", "list"):
        torch.save({"weights": _Boom()} if kind == "torch" else [1, 2], file)
    else:
        file.write_bytes(b"" if kind == "empty" else b"hello, I am no network")
    with pytest.raises(UsageError, match=r"not a file of plain tensors|does not hold a state_dict"):
        build(f"arch={SMALL},weights={file}")


def test_a_missing_file_is_answered_with_what_weights_may_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no weight file '.*gone.pth'; weights is default, none, IMAGENET1K_V1, "):
        build(f"arch={SMALL},weights={tmp_path / 'gone.pth'}")


# downloads


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, Path]]:
    """torchvision's default weights of SMALL, served from this machine; and where they will be kept."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("pipeline.files.downloads.time.sleep", lambda seconds: None)
    buffer = io.BytesIO()
    torch.save(original(SMALL, seed=9).state_dict(), buffer)
    name = f"small-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
    with serving(Site(files={f"/{name}": buffer.getvalue()})) as site:
        weights = models.get_model_weights(SMALL).DEFAULT
        monkeypatch.setattr(weights, "_value_", dataclasses.replace(weights.value, url=f"{site.address}/{name}"))
        yield site, tmp_path / "torch" / "hub" / "checkpoints" / name


def test_default_weights_are_downloaded_once_with_progress(
    published: tuple[Site, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    site, kept = published
    first = build(f"arch={SMALL}")
    assert first.fingerprint == build(f"arch={SMALL},weights=none,seed=9").fingerprint
    assert first.weight_file == kept  # whose size compare-encoders tells
    out, err = capsys.readouterr()
    assert out == ""
    assert f"download {kept.name}" in err
    assert f"{kept.stat().st_size:,} of {kept.stat().st_size:,}" in err
    for weights in ("default", "DEFAULT", "IMAGENET1K_V1"):
        assert build(f"arch={SMALL},weights={weights}").fingerprint == first.fingerprint
    assert len(site.asked) == 1
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_a_download_with_the_wrong_bytes_is_thrown_away(published: tuple[Site, Path]) -> None:
    site, kept = published
    site.files[f"/{kept.name}"] = b"<html>please log in</html>"
    with pytest.raises(
        SemblanceError, match=r"SHA-256 begins \w+, not \w{8}; it was deleted.*weights=PATH.*weights=none"
    ):
        build(f"arch={SMALL}")
    assert not kept.exists()


def test_a_wrong_file_put_there_by_hand_is_named_and_left_alone(published: tuple[Site, Path]) -> None:
    site, kept = published
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"something else")
    with pytest.raises(SemblanceError, match=r"is not the file of http://.*; delete it, or give weights=PATH"):
        build(f"arch={SMALL}")
    assert kept.read_bytes() == b"something else"
    assert site.asked == []


def test_a_failed_download_says_the_address_and_where_to_put_the_file(published: tuple[Site, Path]) -> None:
    site, kept = published
    site.files.clear()
    with pytest.raises(SemblanceError) as caught:
        build(f"arch={SMALL}")
    for part in (f"{site.address}/{kept.name}", "404", str(kept), "weights=PATH", "weights=none"):
        assert part in str(caught.value)
    assert caught.value.exit_code == 1
