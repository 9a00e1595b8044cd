"""What a network's last maps become one vector with, in place of its own average: GeM or R-MAC.

Both take a map as what it has seen, which is never less than nothing: values below 0 count as 0, as after a ReLU. The
papers' whitening is left out; the encoder `pca` can follow.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.networks.maps import LastMaps

USUAL_P, USUAL_SCALES = 3.0, 3  # of the papers
MAX_P, MAX_SCALES = 100.0, 8
OVERLAP = 0.4  # of neighbouring regions of a scale along the longer side


class GeM(nn.Module):
    """Generalised mean: (n, maps, rows, columns) to (n, maps), (mean of x^p)^(1/p) of each map.

    p = 1 is the average, a large p nears the maximum. Radenovic, Tolias and Chum 2018 (arXiv:1711.02512), eq. 3; p is
    given, not learned.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, maps: Tensor) -> Tensor:
        seen = maps.float().clamp(min=0)
        largest = seen.amax(dim=(2, 3), keepdim=True).clamp(min=1e-12)  # x^p itself would pass what float32 holds
        mean: Tensor = (seen / largest).pow(self.p).mean(dim=(2, 3))
        return mean.pow(1 / self.p) * largest.flatten(1)


class RMAC(nn.Module):
    """Regional maxima: (n, maps, rows, columns) to (n, maps). rows, columns: of all maps that it will get.

    Square regions at `scales` scales; each is max-pooled and L2-normalised, then they are added. Tolias, Sicre and
    Jegou 2015 (arXiv:1511.05879), section 3.2.
    """

    def __init__(self, scales: int, *, rows: int, columns: int) -> None:
        super().__init__()
        self.regions = regions(rows, columns, scales=scales)

    def forward(self, maps: Tensor) -> Tensor:
        seen = maps.float().clamp(min=0)
        maxima = [seen[:, :, top : top + side, left : left + side].amax(dim=(2, 3)) for top, left, side in self.regions]
        return torch.stack([nn.functional.normalize(one, dim=1) for one in maxima]).sum(dim=0)


def regions(rows: int, columns: int, *, scales: int) -> list[tuple[int, int, int]]:
    """(top, left, side) in cells. Scale l has l × (l + m − 1) squares of side 2 min(rows, columns) / (l + 1), evenly spread.

    m, the squares of the first scale, is such that two of them overlap as near to 40 % as can be; 1 of square maps.
    """
    short, long = sorted((rows, columns))
    m = 1
    if long > short:
        m = min(range(2, long + 2), key=lambda count: abs(1 - (long - short) / (count - 1) / short - OVERLAP))
    placed = []
    for scale in range(1, scales + 1):
        side = max(1, 2 * short // (scale + 1))
        down, across = (scale + m - 1 if here > short else scale for here in (rows, columns))
        placed += [(top, left, side) for top in _starts(rows - side, down) for left in _starts(columns - side, across)]
    return placed


def _starts(room: int, count: int) -> list[int]:
    """`count` whole numbers from 0 to `room`, evenly spread."""
    return [room * i // max(1, count - 1) for i in range(count)]


def facts(pooling: str, *, p: float, scales: int) -> dict[str, Any]:
    """What a fingerprint covers of the options; nothing of a network's own pooling.

    Raises UsageError for a p or scales that cannot be, or that this pooling has not.
    """
    for name, value, usual, owner in (("p", p, USUAL_P, "gem"), ("scales", scales, USUAL_SCALES, "rmac")):
        if value != usual and pooling != owner:
            raise UsageError(f"{name}={value:g} belongs to pooling={owner}; with pooling={pooling} leave it out")
    if not 1 <= p <= MAX_P:
        raise UsageError(f"p={p:g} is not between 1, the average, and {MAX_P:g}, nearly the maximum")
    if not 1 <= scales <= MAX_SCALES:
        raise UsageError(f"scales={scales} is not between 1 and {MAX_SCALES}")
    own: dict[str, dict[str, Any]] = {"gem": {"p": float(p)}, "rmac": {"scales": scales}}
    return {"pooling": pooling, **own[pooling]} if pooling in own else {}


def pooled(network: nn.Module, size: tuple[int, int], chosen: dict[str, Any]) -> tuple[nn.Module, int]:
    """A network of timm or torchvision that ends in this pooling of its last maps, and the dim of what it gives.

    size: (height, width) of its pictures. chosen: what `facts` gave. UsageError for a network without maps.
    """
    maps = LastMaps(network).eval()
    with torch.inference_mode():
        shape = maps(torch.zeros(1, 3, *size)).shape
    if len(shape) != 4:
        raise UsageError(
            f"{type(network).__name__} gives no maps that could be pooled otherwise; leave pooling out, or choose a "
            "convolutional network"
        )
    pool = RMAC(chosen["scales"], rows=shape[2], columns=shape[3]) if "scales" in chosen else GeM(chosen["p"])
    return nn.Sequential(maps, pool), shape[1]
