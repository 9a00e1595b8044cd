"""What a Mask R-CNN sees in a picture: features of the network that finds objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.errors import UsageError
from pipeline.networks import detection
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder
from pipeline.plugins import Card

if TYPE_CHECKING:
    import torch

CARD = Card(
    summary="features of Mask R-CNN: of its last stage (2,048) or its pyramid (1,024), averaged, or of its box head (1,024)",
    licence="BSD-3-Clause; weights trained on COCO (annotations CC BY 4.0, pictures under Flickr's terms)",
    source="https://docs.pytorch.org/vision/stable/models/mask_rcnn.html",
    requires=("torch", "torchvision"),
    install="pip install torch torchvision",
)
DIMS = {"backbone": 2048, "pyramid": 1024, "roi": 1024}


def build(
    *,
    arch: Literal["maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"] = "maskrcnn_resnet50_fpn",
    layer: Literal["backbone", "pyramid", "roi"] = "backbone",
    weights: str = "default",
    side: int = 320,
    seed: int = 0,
    device: str = "auto",
) -> TorchEncoder:
    """layer: the last stage before the pyramid, the four levels of the pyramid side by side, or `roi`: what the detector judges
    a box by (Mask R-CNN, section 3), with the picture as the box; of a gallery's parts each is its object's.

    weights: `default` (downloaded once), `none` (random, drawn from `seed`), or a .pth or .safetensors file, the one that
    the detector runs on. side: every picture is squeezed to side x side pixels.
    """
    if not 32 <= side <= 1333:
        raise UsageError(f"side is {side}; choose from 32 to 1333 pixels")
    network = _pooled(detection.build(arch, weights=weights, seed=seed), layer)
    cropping = Cropping(size=(side, side), resize=(side, side), squash=True)
    return TorchEncoder(
        network, dim=DIMS[layer], cropping=cropping, device=device, architecture=f"torchvision {arch}", layer=layer
    )


def _pooled(network: torch.nn.Module, layer: str) -> torch.nn.Module:
    """(n, 3, height, width) to (n, dim)."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network.get_submodule("backbone.body")
            self.pyramid = torch.nn.Identity() if layer == "backbone" else network.get_submodule("backbone.fpn")
            if layer == "roi":
                self.pool = network.get_submodule("roi_heads.box_roi_pool")
                self.head = network.get_submodule("roi_heads.box_head")

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            maps = self.body(pixels)
            if layer == "backbone":
                return torch.as_tensor(maps["3"].mean(dim=(2, 3)))
            levels = self.pyramid(maps)  # "pool" repeats the coarsest one
            if layer == "roi":
                height, width = pixels.shape[2:]
                whole = pixels.new_tensor([[0, 0, width, height]])
                return torch.as_tensor(
                    self.head(self.pool(levels, [whole] * len(pixels), [(height, width)] * len(pixels)))
                )
            return torch.cat([levels[name].mean(dim=(2, 3)) for name in ("0", "1", "2", "3")], dim=1)

    return Pooled()
