"""What every engine runs, so that all give the same: normalised pixels, the network, rows of unit length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FromPixels(nn.Module):
    """(n, height, width, 3) uint8 to (n, dim) float32 of unit length, around a network (n, 3, height, width) to (n, dim)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, *, dim: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network, self.dim = network, dim
        self.register_buffer("scale", 1 / (255 * torch.tensor(std)).view(1, 3, 1, 1))
        self.register_buffer("shift", (-torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        inputs = pixels.permute(0, 3, 1, 2).float().mul_(self.scale).add_(self.shift)  # (n, 3, height, width)
        outputs = self.network(inputs).float()
        assert outputs.shape[1:] == (self.dim,), f"{tuple(outputs.shape)} is not (n, {self.dim})"
        norms = outputs.norm(dim=1, keepdim=True)
        # an all-zero output (possible after a ReLU) has no direction: give it one, always the same
        return torch.where(norms > 0, outputs / norms.clamp_min(1e-12), self.dim**-0.5)
