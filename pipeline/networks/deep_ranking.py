"""Deep Ranking's multiscale network (Wang et al., CVPR 2014, section 4 and figure 3) over a choice of backbones.

A deep path sees the whole picture and becomes invariant; two shallow ones see it at low resolution and keep colour and
layout. The shallow pair is L2-normalised together, the deep path alone; a linear layer without activation joins them.
Beyond the paper, `grid` adds what the last stage but one sees in each cell of a grid: meaning that keeps its place. And
`kept`, a share of the embedding, is that grid's principal components: what no label taught carries over to other photos.

The figure's pooling strides are swapped: only 3 × 3 with stride 4 and 7 × 7 with stride 2 give its 4 × 4 maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, get_args

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import UsageError
from pipeline.networks import efficientnet_lite
from pipeline.networks.small_resnet import SmallResNet

Backbone = Literal[
    "dr10", "dr18", "resnet18", "resnet50", "resnet101", "alexnet", "efficientnet_lite0", "efficientnet_lite2"
]


@dataclass(frozen=True)
class Path:
    """A low-resolution path: the picture averaged to `side` px, one convolution, one pooling, a 4 × 4 map.

    mean: the pooling takes averages, which say how much of a colour or texture there is, where the paper takes maxima.
    """

    side: int
    maps: int
    kernel: int
    stride: int
    pool: int
    pool_stride: int
    mean: bool = False


@dataclass(frozen=True)
class Plan:
    """size: px of the square input it is meant for. dim: the usual embedding. normed: BatchNorm after the last layer."""

    size: int
    dim: int
    paths: tuple[Path, Path]
    normed: bool = False


_PAPER = (Path(57, 96, 8, 4, 3, 4), Path(29, 96, 8, 4, 7, 2))  # 4:1 and 8:1 of 225 px; 2 × 1,536 numbers
_LARGE = (Path(56, 96, 8, 4, 3, 4), Path(28, 96, 8, 4, 7, 2))  # of 224 px
_SMALL = (Path(16, 48, 4, 2, 3, 2), Path(8, 48, 4, 1, 3, 2))  # of 64 px; 2 × 768
_LITE = (Path(32, 48, 6, 2, 4, 4, mean=True), Path(16, 48, 4, 2, 2, 2, mean=True))  # of 192 px; 2 × 768

PLANS: dict[str, Plan] = {
    "alexnet": Plan(225, 4096, _PAPER),
    "resnet18": Plan(224, 4096, _LARGE),
    "resnet50": Plan(224, 4096, _LARGE),
    "resnet101": Plan(224, 4096, _LARGE),
    "efficientnet_lite0": Plan(192, 256, _LITE),
    "efficientnet_lite2": Plan(192, 256, _LITE),
    "dr18": Plan(64, 256, _SMALL, normed=True),
    "dr10": Plan(64, 128, _SMALL, normed=True),
}


def build(
    backbone: Backbone,
    *,
    dim: int = 0,
    multiscale: bool = True,
    grid: int = 0,
    kept: float = 0.0,
    pretrained: bool = False,
    frozen: int = 0,
) -> DeepRanking:
    """dim: 0 = the plan's. multiscale: False leaves the low-resolution paths out (table 2's single-scale row).

    grid: cells a side of the grid path, 0 (the paper's network) to 8. kept: share of the embedding that is the grid's
    principal components, up to 0.9; 0 until `settle` sets them.

    pretrained: ImageNet weights: of the torchvision backbones downloaded once, of EfficientNet-Lite out of its package.
    frozen: how many of the backbone's first stages keep their weights and statistics (a ResNet has 5: stem and four;
    dr10 and dr18 too; alexnet's 7 are its convolutions, then its two layers of 4,096; EfficientNet-Lite's 9 are stem,
    seven of blocks, and the convolution to 1,280 maps). Raises UsageError.
    """
    if backbone not in PLANS:
        raise UsageError(f"unknown backbone {backbone!r}; choose from {', '.join(get_args(Backbone))}")
    if dim and not 2 <= dim <= 32_768:
        raise UsageError(f"dim={dim} is not between 2 and 32,768, what an index can hold")
    if not 0 <= grid <= 8:
        raise UsageError(f"grid={grid} is not between 0 and 8")
    plan = PLANS[backbone]
    dim = dim or plan.dim
    if not 0 <= kept <= 0.9 or (kept and not grid):
        raise UsageError(f"kept={kept} is not a share between 0 and 0.9, or there is no grid to keep anything of")
    stages, width = _backbone(backbone, pretrained)
    if not 0 <= frozen <= len(stages):
        raise UsageError(f"frozen={frozen}: {backbone} has {len(stages)} stages, so give 0 to {len(stages)}")
    options = {"backbone": backbone, "dim": dim, "multiscale": multiscale, "grid": grid, "kept": kept}
    return DeepRanking(stages, width, plan, options=options, frozen=frozen)


class DeepRanking(nn.Module):
    """(n, 3, height, width) normalised pixels to (n, dim) of unit length. Any size that the backbone takes.

    options: backbone, dim, multiscale, grid and kept, with which `build` makes the same network again.
    """

    def __init__(self, stages: nn.Sequential, width: int, plan: Plan, *, options: dict[str, Any], frozen: int) -> None:
        super().__init__()
        self.options = options
        dim, kept, multiscale = options["dim"], round(options["kept"] * options["dim"]), options["multiscale"]
        self.stages = stages  # picture to (n, width)
        self.paths = nn.ModuleList([LowResolution(path) for path in plan.paths] if multiscale else [])
        self.grid = Cells(options["grid"]) if options["grid"] else None
        widths = {"deep": width, "shallow": sum(path.maps * 16 for path in plan.paths) * multiscale}
        widths["grid"] = options["grid"] ** 2 * _maps(stages[:-1])
        ends = dict(zip(widths, accumulate(widths.values()), strict=True))
        self.columns = {name: slice(ends[name] - size, ends[name]) for name, size in widths.items()}  # of `join`
        self.head = nn.Linear(ends["grid"], dim - kept, bias=not plan.normed)
        self.kept = nn.Linear(widths["grid"], kept, bias=False) if kept else None
        if self.kept is not None:
            self.kept.requires_grad_(False).weight.zero_()
        self.norm = nn.BatchNorm1d(dim, affine=False) if plan.normed or kept else nn.Identity()
        self._frozen = frozen
        stages[:frozen].requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.project(self.join(pixels))

    def join(self, pixels: Tensor) -> Tensor:
        """What the last layer sees: (n, width), then 2 · maps · 16 of the paths, then cells · maps of the grid."""
        maps = pixels
        for stage in self.stages[:-1]:  # one by one, so that the network can be traced
            maps = stage(maps)  # (n, maps, height, width)
        parts = [F.normalize(self.stages[-1](maps), dim=1)]  # (n, width)
        if len(self.paths):
            shallow = torch.cat([path(pixels) for path in self.paths], dim=1)  # (n, 2 · maps · 16)
            parts.append(F.normalize(shallow, dim=1))  # together, as in figure 3
        if self.grid is not None:
            parts.append(F.normalize(self.grid(maps).flatten(1), dim=1))
        return torch.cat(parts, dim=1)

    def project(self, joined: Tensor) -> Tensor:
        return F.normalize(self.outputs(joined), dim=1)

    def outputs(self, joined: Tensor) -> Tensor:
        """(n, dim) before the L2 norm, for losses that want its length."""
        found: Tensor = self.norm(self._numbers(joined))
        return found

    def _numbers(self, joined: Tensor) -> Tensor:
        """(n, dim) before the last BatchNorm, which gives those of `kept` the same say as the others."""
        learned: Tensor = self.head(joined)
        if self.kept is None:
            return learned
        return torch.cat([learned, self.kept(joined[:, self.columns["grid"]])], dim=1)

    @torch.no_grad()
    def settle(self, joined: Tensor) -> None:
        """Take `kept` and the last BatchNorm's statistics from these rows, for a head that learns from what never changes."""
        if self.kept is not None:
            grid = joined[:, self.columns["grid"]].double()
            variances, directions = torch.linalg.eigh(torch.cov(grid.T))  # by rising variance
            seen = variances > 1e-4 * variances[-1]  # few rows: a direction that they do not vary along stays 0
            self.kept.weight.copy_((directions * seen)[:, -self.kept.out_features :].T)
        if isinstance(self.norm, nn.BatchNorm1d):
            outputs = self._numbers(joined)
            self.norm.running_mean, self.norm.running_var = outputs.mean(0), outputs.var(0).clamp_min(1e-6)

    @torch.no_grad()
    def begin_with(self, other: DeepRanking) -> None:
        """Take another's weights. Where this last layer is larger, new inputs count nothing yet and new outputs are random.

        `kept` waits for `settle`. UsageError unless it is the same but for a larger dim, or for a grid or low-resolution
        paths that only one of them has.
        """
        mine, theirs = self.options, other.options
        same = mine["backbone"] == theirs["backbone"] and (
            mine["grid"] == theirs["grid"] or 0 in (mine["grid"], theirs["grid"])
        )
        if not same or self.head.out_features < other.head.out_features:
            raise UsageError(
                f"these weights are of {theirs}, which cannot begin {mine}: the same backbone is needed, no smaller a dim "
                "of what is learned, and the same grid or none"
            )
        self.stages.load_state_dict(other.stages.state_dict())
        if len(self.paths) and len(other.paths):
            self.paths.load_state_dict(other.paths.state_dict())
        dim = len(other.head.weight)
        spread = other.head.weight.norm(dim=1).mean() / self.head.in_features**0.5
        self.head.weight[:dim] = 0
        for name, here in self.columns.items():
            there = other.columns[name]
            if here.stop - here.start == there.stop - there.start:
                self.head.weight[:dim, here] = other.head.weight[:, there]
        self.head.weight[dim:].normal_().mul_(spread)
        if self.head.bias is not None:
            self.head.bias[:dim] = other.head.bias
        for name in ("running_mean", "running_var") if isinstance(self.norm, nn.BatchNorm1d) else ():
            getattr(self.norm, name)[:dim] = getattr(other.norm, name)[:dim]

    def train(self, mode: bool = True) -> DeepRanking:
        super().train(mode)
        self.stages[: self._frozen].eval()  # else their statistics drift while their weights stay
        return self


class Cells(nn.Module):
    """(n, maps, height, width) to (n, maps, side, side), each cell the average of its part."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, maps: Tensor) -> Tensor:
        return _cells(maps, self.side)


@torch.fx.wrap  # its sizes are numbers, and a network that asks for numbers could not be traced
def _cells(maps: Tensor, side: int) -> Tensor:
    """AdaptiveAvgPool2d; where cells are equal by plain pooling, as ONNX has no other for maps padded on their way."""
    height, width = int(maps.shape[2]), int(maps.shape[3])
    if height % side or width % side:
        return F.adaptive_avg_pool2d(maps, side)
    return F.avg_pool2d(maps, (height // side, width // side))


class LowResolution(nn.Module):
    """(n, 3, height, width) to (n, maps · 16): see Path. The paper states no activation; this one uses a ReLU."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        conv_side = -(-path.side // path.stride)
        self.shrink = nn.AdaptiveAvgPool2d(path.side)  # a fixed side, so that the embedding's size never depends on it
        self.conv = nn.Conv2d(3, path.maps, path.kernel, path.stride)
        self.pool = (nn.AvgPool2d if path.mean else nn.MaxPool2d)(path.pool, path.pool_stride)
        self._around_conv = _same(path.side, path.kernel, path.stride)
        self._around_pool = _same(conv_side, path.pool, path.pool_stride)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = F.relu(self.conv(F.pad(self.shrink(pixels), self._around_conv)))
        return self.pool(F.pad(maps, self._around_pool)).flatten(1)  # a ReLU's output: padding with 0 loses no maximum


def _maps(stages: nn.Sequential) -> int:
    """How many maps these stages give."""
    return [module.out_channels for module in stages.modules() if isinstance(module, nn.Conv2d)][-1]


def _same(side: int, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Padding (left, right, top, bottom) after which a side of `side` gives ceil(side / stride)."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return (total // 2, total - total // 2) * 2


def _backbone(name: str, pretrained: bool) -> tuple[nn.Sequential, int]:
    """Its stages, the last one pooled and flat, and the width of what they give."""
    if name.startswith("dr"):
        if pretrained:
            raise UsageError(f"{name} has no published weights; leave pretrained out, or give weights=FOLDER")
        network = SmallResNet(name)
        return network.stages, network.width
    if name.startswith("efficientnet_lite"):
        lite = efficientnet_lite.build(int(name[-1]), pretrained=pretrained)
        pooled = nn.Sequential(lite.conv_head, lite.bn2, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(nn.Sequential(lite.conv_stem, lite.bn1), *lite.blocks, pooled), lite.num_features
    from torchvision import models

    from pipeline.networks.weights import fetch, read

    whole = models.get_model(name, weights=None)
    if pretrained:
        whole.load_state_dict(read(fetch(models.get_model_weights(name).DEFAULT.url)))
    if name == "alexnet":
        convolutions = [nn.Sequential(*whole.features[a:b]) for a, b in ((0, 3), (3, 6), (6, 8), (8, 10), (10, 13))]
        middle = nn.Sequential(whole.avgpool, nn.Flatten())
        for layer in whole.classifier:
            if isinstance(layer, nn.Dropout):
                layer.p = 0.4  # section 5.1: 0.6 are kept
        full = [nn.Sequential(middle, *whole.classifier[:3]), nn.Sequential(*whole.classifier[3:6])]
        return nn.Sequential(*convolutions, *full), 4096
    stem = nn.Sequential(whole.conv1, whole.bn1, whole.relu, whole.maxpool)
    last = nn.Sequential(whole.layer4, whole.avgpool, nn.Flatten())
    return nn.Sequential(stem, whole.layer1, whole.layer2, whole.layer3, last), whole.fc.in_features
