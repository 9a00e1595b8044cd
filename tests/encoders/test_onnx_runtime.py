"""ONNX Runtime beside torch: the same embeddings, from the moment that it pays, and never an error in the way."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.networks import onnx_runtime
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder
from pipeline.networks.onnx_runtime import MAX_KEPT, PAYS_FROM

CROPPING = Cropping(size=(16, 12), resize=(16, 12), mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3))


class Small(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.AdaptiveAvgPool2d(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x).flatten(1)


def encoder(network: nn.Module | None = None) -> TorchEncoder:
    return TorchEncoder(network or Small(), dim=32, cropping=CROPPING, device="cpu")


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 16, 12, 3), dtype=np.uint8)


def graphs(home: Path) -> list[Path]:
    return sorted((home / "cache" / "onnx").glob("*.onnx"))


def troubles(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(onnx_runtime.logs, "trouble", lambda what, **facts: kept.append({"what": what} | facts))
    return kept


def test_a_graph_is_made_once_enough_pictures_came_and_gives_torchs_embeddings(home: Path) -> None:
    made = encoder()
    x = pictures(PAYS_FROM - 1)
    by_torch = made.encode(x)
    assert graphs(home) == []
    made.encode(pictures(2, seed=1))
    assert len(graphs(home)) == 1
    by_onnx = made.encode(x)
    assert not np.array_equal(by_onnx, by_torch), "torch has answered again"
    assert np.all((by_onnx * by_torch).sum(axis=1) >= 0.99999)
    for n in (1, 3, 50):  # any number at a time
        assert np.all((made.encode(x[:n]) * by_torch[:n]).sum(axis=1) >= 0.99999)


def test_a_later_process_uses_the_kept_graph_for_its_first_picture(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encoder()
    first.encode(pictures(PAYS_FROM))
    later = encoder()
    assert later.fingerprint == first.fingerprint
    monkeypatch.setattr(later, "_whole", None)  # torch cannot answer any more
    np.testing.assert_allclose(later.encode(pictures(1)), first.encode(pictures(1)), atol=1e-6)


def test_another_network_has_a_graph_of_its_own(home: Path) -> None:
    for seed in (0, 1):
        encoder(Small(seed)).encode(pictures(PAYS_FROM))
    assert len(graphs(home)) == 2


def test_a_graph_whose_bytes_changed_is_made_anew(home: Path) -> None:
    encoder().encode(pictures(PAYS_FROM))
    [file] = graphs(home)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    right = encoder().encode(pictures(1))
    assert graphs(home) == []
    made = encoder()
    made.encode(pictures(PAYS_FROM))
    assert np.all((made.encode(pictures(1)) * right).sum(axis=1) >= 0.99999)


def test_without_the_library_torch_answers_and_nothing_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    said = troubles(monkeypatch)
    made = encoder()
    assert made.encode(pictures(PAYS_FROM)).shape == made.encode(pictures(PAYS_FROM)).shape == (PAYS_FROM, 32)
    assert graphs(home) == []
    assert said == []


class Unexportable(Small):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return y + torch.special.bessel_j0(y) * 0 if len(x) else y


class Forgetful(Small):
    """What the exporter records is true for the batch that it saw alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + torch.where(torch.arange(32) < 16, float(len(x)), 10.0)


@pytest.mark.parametrize("network", [Unexportable, Forgetful])
def test_a_network_that_cannot_be_exported_stays_with_torch_and_that_is_logged_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, network: type[Small]
) -> None:
    said = troubles(monkeypatch)
    made = encoder(network())
    for _ in range(4):
        rows = made.encode(pictures(PAYS_FROM))
    with torch.inference_mode():
        truth = made._whole(torch.from_numpy(pictures(PAYS_FROM))).numpy()
    np.testing.assert_allclose(rows, truth, atol=1e-6)
    assert [one["what"] for one in said] == ["onnx runtime not used"]
    assert graphs(home) == []


def test_a_cache_that_cannot_be_written_costs_the_speed_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = troubles(monkeypatch)
    home.mkdir()
    (home / "cache").write_text("a file where a folder should be")
    assert encoder().encode(pictures(PAYS_FROM)).shape == (PAYS_FROM, 32)
    assert len(said) == 1


def test_the_cache_keeps_the_newest_graphs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_runtime, "_export", lambda *_: b"")
    for number in range(MAX_KEPT + 3):
        onnx_runtime._keep(f"{number:02}.onnx", bytes([number]))
    assert len(graphs(home)) == MAX_KEPT


def test_threads_may_encode_while_one_of_them_makes_the_graph(home: Path) -> None:
    made, rows = encoder(), {}
    batches = {seed: pictures(PAYS_FROM, seed) for seed in range(6)}
    threads = [threading.Thread(target=lambda s=s: rows.update({s: made.encode(batches[s])})) for s in batches]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    alone = encoder()
    alone._onnx = None
    for seed, batch in batches.items():
        assert np.all((rows[seed] * alone.encode(batch)).sum(axis=1) >= 0.99999)
    assert len(graphs(home)) == 1
