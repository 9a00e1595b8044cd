"""A network turned encoder: normalised pixels, folded layers, nothing that learns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder, _folded

CROPPING = Cropping(size=(6, 5), resize=(6, 5), mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3))


class Flat(nn.Module):
    """Answers with its input, so that a test sees what a network is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    made[1].running_mean.uniform_(-1, 1)
    made[1].running_var.uniform_(0.5, 2)
    return made


def encoder(net: nn.Module, dim: int, cropping: Cropping = CROPPING, **facts: object) -> TorchEncoder:
    return TorchEncoder(net, dim=dim, cropping=cropping, device="cpu", **facts)


def batch(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 6, 5, 3), dtype=np.uint8)


def test_a_network_is_given_normalised_channels() -> None:
    rows = encoder(Flat(), 90).encode(batch())
    for pixels, row in zip(batch(), rows, strict=True):
        slow = np.array(
            [
                [[(pixels[y, x, c] / 255 - CROPPING.mean[c]) / CROPPING.std[c] for x in range(5)] for y in range(6)]
                for c in range(3)
            ]
        ).ravel()
        np.testing.assert_allclose(row, slow / np.linalg.norm(slow), atol=1e-5)


def test_folding_batch_norm_changes_the_answer_by_rounding_only() -> None:
    plain = network().eval()
    folded = _folded(network().eval())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    x = torch.randn(4, 3, 6, 5)
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), plain(x), atol=1e-5, rtol=1e-4)


def test_a_network_that_cannot_be_traced_works_all_the_same() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x) if x.sum() > 0 else self.body(x) * 1

    rows = encoder(Branching(), 8).encode(batch())
    np.testing.assert_allclose(rows, encoder(network(), 8).encode(batch()), atol=1e-5)


def test_dropout_is_off_and_gradients_too() -> None:
    made = encoder(network().train(), 8)
    np.testing.assert_array_equal(made.encode(batch()), made.encode(batch()))
    assert not any(module.training for module in made.network.modules())


def test_an_output_of_zeros_becomes_a_unit_vector() -> None:
    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_zeros(len(x), 4)

    np.testing.assert_allclose(encoder(Nothing(), 4).encode(batch(1)), np.full((1, 4), 0.5))


def test_a_read_only_batch_is_fine() -> None:
    pixels = batch()
    pixels.setflags(write=False)
    assert encoder(Flat(), 90).encode(pixels).shape == (3, 90)


def test_the_fingerprint_covers_weights_cropping_and_facts_but_not_counters() -> None:
    same = encoder(network(), 8, layer="a").fingerprint
    counted = network()
    counted[1].num_batches_tracked += 7
    assert encoder(counted, 8, layer="a").fingerprint == same
    moved = network()
    moved[0].bias.data[0] += 1e-6
    assert encoder(moved, 8, layer="a").fingerprint != same
    assert encoder(network(), 8, layer="b").fingerprint != same
    for change in ({"mean": (0.5, 0.5, 0.5)}, {"resize": (7, 7)}, {"interpolation": "bicubic"}, {"squash": True}):
        other = dataclasses.replace(CROPPING, **change)  # type: ignore[arg-type]
        assert encoder(network(), 8, other, layer="a").fingerprint != same


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_nearly_the_same_embedding() -> None:
    gpu = TorchEncoder(network(), dim=8, cropping=CROPPING, device="cuda")
    cpu = encoder(network(), 8)
    assert gpu.fingerprint == cpu.fingerprint
    assert np.all((gpu.encode(batch()) * cpu.encode(batch())).sum(axis=1) >= 0.999)
