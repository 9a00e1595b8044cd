"""timm's networks as encoders: timm's own pixels and pooling, weights strictly checked."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from file_server import Site, serving
from PIL import Image
from torch.nn.functional import normalize

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.networks.frozen import TorchEncoder, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

PAGE = "timm/test_vit.r160_in1k"


def build(spec: str) -> TorchEncoder:
    return plugins.build("encoders", f"timm:{spec}", device="cpu")


@pytest.fixture
def photo(clothing: Path) -> Image.Image:
    return Image.open(min((clothing / "test").rglob("*.jpg"))).convert("RGB")


def embed(encoder: TorchEncoder, image: Image.Image) -> np.ndarray:
    return encoder.encode(encoder.preprocess(image)[None])[0]


def original(arch: str, seed: int = 0) -> torch.nn.Module:
    with seeded(seed):
        return timm.create_model(arch, pretrained=False).eval()


@pytest.mark.parametrize(
    ("arch", "dim"),
    [
        ("test_vit", 64),
        ("test_resnet", 96),
        ("test_nfnet", 192),
        ("resnet10t", 512),
        ("mobilenetv3_small_050", 1024),
        ("vit_tiny_patch16_224", 192),
    ],
)
def test_the_embedding_is_what_timms_own_network_and_pixels_give(arch: str, dim: int, photo: Image.Image) -> None:
    encoder = build(f"arch={arch},weights=none")
    assert encoder.dim == dim
    network = original(arch)
    network.reset_classifier(0)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    with torch.inference_mode():
        expected = normalize(network(transform(photo)[None]))[0]
    assert float(expected @ torch.from_numpy(embed(encoder, photo))) >= 0.9999


def test_seed_and_network_change_the_fingerprint_and_the_tag_alone_does_not() -> None:
    plain = build("arch=test_vit,weights=none").fingerprint
    assert build("arch=test_vit.r160_in1k,weights=none").fingerprint == plain
    assert build("arch=test_vit,weights=none,seed=1").fingerprint != plain
    assert build("arch=test_vit2,weights=none").fingerprint != plain


def test_a_misspelt_network_is_answered_with_near_names() -> None:
    with pytest.raises(UsageError, match=r"no network 'xcepton41'; did you mean .*xception41"):
        build("arch=xcepton41,weights=none")


def test_a_misspelt_tag_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no weights 'best' for test_vit; choose from test_vit\.r160_in1k"):
        build("arch=test_vit.best")


def test_a_network_that_wants_a_border_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"crop_mode": "border", "input_size": (3, 8, 8), "crop_pct": 1.0}
    monkeypatch.setattr(timm.data, "resolve_model_data_config", lambda network: config)
    with pytest.raises(UsageError, match="wants pictures with a border"):
        build("arch=test_vit,weights=none")


@pytest.mark.parametrize("classes", [1000, 9, 0])
def test_a_weight_file_may_end_in_any_classifier(tmp_path: Path, classes: int) -> None:
    network = original("test_resnet", seed=4)
    expected = build("arch=test_resnet,weights=none,seed=4").fingerprint
    if classes != 1000:
        network.reset_classifier(classes)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    assert build(f"arch=test_resnet,weights={tmp_path / 'w.pth'}").fingerprint == expected


@pytest.mark.parametrize("classes", [1000, 9, 0])
def test_a_file_with_a_tensor_missing_is_refused(tmp_path: Path, classes: int) -> None:
    network = original("test_vit")
    if classes != 1000:
        network.reset_classifier(classes)
    state = network.state_dict()
    del state["blocks.0.norm1.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"not of timm's test_vit: .*blocks\.0\.norm1\.weight"):
        build(f"arch=test_vit,weights={tmp_path / 'w.pth'}")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(original("test_vit").state_dict(), tmp_path / "w.pth")
    with pytest.raises(UsageError, match="not of timm's test_resnet"):
        build(f"arch=test_resnet,weights={tmp_path / 'w.pth'}")


# downloads


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A hub on this machine with nothing on it yet."""
    from huggingface_hub import constants

    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # before the next try
    with serving(Site()) as site, _answering_head(site) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        yield site


@contextlib.contextmanager
def _answering_head(site: Site) -> Iterator[str]:
    """The address of a server with the same files that speaks as much of the hub's language as a download needs."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            data = site.files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("X-Repo-Commit", "0" * 40)
            if data is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            else:
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(site.files.get(self.path, b""))

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_default_weights_come_from_the_hub(hub: Site, file: str) -> None:
    from safetensors.torch import save

    state, buffer = original("test_vit", seed=7).state_dict(), io.BytesIO()
    torch.save(state, buffer)
    hub.files[f"/{PAGE}/resolve/main/{file}"] = save(state) if file.endswith("safetensors") else buffer.getvalue()
    assert build("arch=test_vit").fingerprint == build("arch=test_vit,weights=none,seed=7").fingerprint


def test_what_was_downloaded_once_needs_no_hub_any_more(hub: Site) -> None:
    from safetensors.torch import save

    path = f"/{PAGE}/resolve/main/model.safetensors"
    hub.files[path] = save(original("test_vit", seed=7).state_dict())
    fingerprint = build("arch=test_vit").fingerprint
    hub.files[path] = b"gone"
    assert build("arch=test_vit").fingerprint == fingerprint


def test_a_failed_download_says_the_page_and_what_else_to_give(hub: Site) -> None:
    with pytest.raises(SemblanceError) as caught:
        build("arch=test_vit")
    for part in ("timm's test_vit", f"huggingface.co/{PAGE}", "weights=PATH", "weights=none"):
        assert part in str(caught.value)
    assert caught.value.exit_code == 1


def test_weights_outside_the_hub_are_downloaded_and_checked(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    torch.save(original("test_vit", seed=9).state_dict(), buffer)
    name = f"vit-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
    hub.files[f"/{name}"] = buffer.getvalue()
    published = timm.get_pretrained_cfg("test_vit")
    elsewhere = dataclasses.replace(published, hf_hub_id=None, url=f"{hub.address}/{name}")
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda arch: elsewhere)
    assert build("arch=test_vit").fingerprint == build("arch=test_vit,weights=none,seed=9").fingerprint
    assert hub.asked == [(f"/{name}", "")]


def test_a_network_that_nobody_trained_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    unpublished = dataclasses.replace(timm.get_pretrained_cfg("test_vit"), hf_hub_id=None, url=None)
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda arch: unpublished)
    with pytest.raises(UsageError, match="nobody published weights for timm's test_vit"):
        build("arch=test_vit")
