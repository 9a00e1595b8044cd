"""The part of a network before its pooling: maps that still know where in the picture they saw something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn

from pipeline.errors import UsageError

STRIDE = (
    20  # px of the input that cells are apart at most (16, and less padding): coarser maps know what, and less where
)


class Maps(nn.Module):
    """(n, 3, height, width) to (n, maps, rows, columns): of a network of this house, timm or torchvision the last maps whose
    cells are STRIDE apart at most, or of one without such maps its first.

    Raises UsageError for a network in which no such part is known.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.whole = network if hasattr(network, "forward_intermediates") else None  # timm's
        self.stages = None if self.whole else _stages(network)
        self._last = hasattr(network, "permute")  # torchvision's Swin has its maps on the last axis

    def forward(self, pixels: Tensor) -> Tensor:
        best: Tensor | None = None
        stages: Iterable[Tensor]
        least = pixels.shape[2] / STRIDE
        if self.whole is not None:
            stages = self.whole.forward_intermediates(pixels, intermediates_only=True)  # type: ignore[operator]
        else:
            assert self.stages is not None
            stages = _one_by_one(self.stages, pixels)
        for maps in stages:
            maps = maps.permute(0, 3, 1, 2) if self._last else maps
            if best is not None and maps.shape[2] < least:
                break
            best = maps
        assert best is not None
        return best


class LastMaps(nn.Module):
    """(n, 3, height, width) to (n, maps, rows, columns): what a network of timm or torchvision averages in the end.

    Raises UsageError for a network of torchvision in which no such part is known; one of timm may give something else.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network if hasattr(network, "forward_features") else _stages(network)
        self._last = getattr(network, "output_fmt", "") == "NHWC" or hasattr(network, "permute")  # both libraries' Swin

    def forward(self, pixels: Tensor) -> Tensor:
        last: Any = getattr(self.network, "forward_features", self.network)  # the first is timm's
        maps: Tensor = last(pixels)
        return maps.permute(0, 3, 1, 2) if self._last else maps


def _one_by_one(stages: nn.Sequential, pixels: Tensor) -> Iterator[Tensor]:
    """What each gives, up to the first that gives no maps."""
    for stage in stages:
        pixels = stage(pixels)
        if pixels.ndim != 4:
            return
        yield pixels


def _stages(network: nn.Module) -> nn.Sequential:
    if isinstance(found := getattr(network, "stages", None), nn.Sequential):  # deep_ranking: the last one pools
        return found[:-1]
    if isinstance(found := getattr(network, "features", None), nn.Sequential):  # most of torchvision
        return found
    if hasattr(network, "layer4"):  # its ResNets
        names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        return nn.Sequential(*(network.get_submodule(name) for name in names))
    raise UsageError(f"{type(network).__name__} is a network whose maps are not known; choose another encoder")
