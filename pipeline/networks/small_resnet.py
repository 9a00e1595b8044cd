"""Residual networks for pictures of 32 to 80 px: dr18 for a GPU, dr10 for a CPU (He et al. 2016; shortcuts of ResNet-D)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """maps: of each of the four stages. blocks: in each stage. stem_stride: 1 keeps every pixel, 2 is 4 times faster."""

    maps: tuple[int, int, int, int]
    blocks: int
    stem_stride: int


SHAPES = {"dr18": Shape((64, 128, 256, 512), 2, 1), "dr10": Shape((48, 96, 192, 384), 1, 2)}


class SmallResNet(nn.Module):
    """(n, 3, side, side) to (n, width): five stages, the last one averaged over the picture."""

    def __init__(self, name: str) -> None:
        super().__init__()
        shape = SHAPES[name]
        self.width = shape.maps[-1]
        stem = nn.Sequential(*_conv_bn(3, shape.maps[0], stride=shape.stem_stride), nn.ReLU(inplace=True))
        stages: list[nn.Module] = [stem]
        before = shape.maps[0]
        for number, maps in enumerate(shape.maps):
            first = Block(before, maps, stride=1 if number == 0 else 2)
            stages.append(nn.Sequential(first, *(Block(maps, maps) for _ in range(shape.blocks - 1))))
            before = maps
        stages[-1] = nn.Sequential(stages[-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.stages = nn.Sequential(*stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Block):
                nn.init.zeros_(module.residual[-1].weight)  # type: ignore[arg-type]  # begins as the identity

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.stages(pixels)
        return out


class Block(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut; where the size halves the shortcut averages before its 1 × 1."""

    def __init__(self, before: int, maps: int, *, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(*_conv_bn(before, maps, stride=stride), nn.ReLU(True), *_conv_bn(maps, maps))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != maps:
            # ceil_mode: without it an odd side fails
            pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(before, maps, 1, bias=False), nn.BatchNorm2d(maps))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.residual(inputs) + self.shortcut(inputs))


def _conv_bn(before: int, maps: int, *, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, maps, 3, stride, padding=1, bias=False), nn.BatchNorm2d(maps)
