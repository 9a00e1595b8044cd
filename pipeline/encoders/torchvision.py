"""Any classifier of torchvision, without its last layer or with it."""

from __future__ import annotations

import difflib
import re
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import UsageError
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder, seeded
from pipeline.networks.weights import fetch, read
from pipeline.plugins import Card

if TYPE_CHECKING:
    import torch

CARD = Card(
    summary="80 ImageNet classifiers (alexnet, vgg16, resnet50, …); dim is the last layer's input, 2,048 for resnet50",
    licence="BSD-3-Clause; weights: see the arch's page, trained on ImageNet (research use)",
    source="https://docs.pytorch.org/vision/stable/models.html",
    requires=("torch", "torchvision"),
    install="pip install torch torchvision",
)


def build(
    *,
    arch: str = "resnet50",
    layer: Literal["penultimate", "logits"] = "penultimate",
    weights: str = "default",
    pooling: Literal["own", "gem", "rmac"] = "own",
    p: float = 3,
    scales: int = 3,
    seed: int = 0,
    device: str = "auto",
) -> TorchEncoder:
    """An encoder with the preprocessing of the arch's published weights.

    arch: a name of torchvision.models.list_models. layer: `penultimate` is the last layer's input (fc7 after ReLU in
    alexnet and vgg, the pooled features in resnet and most others); `logits` its output.
    weights: `default` (downloaded once), the name of another published set (IMAGENET1K_V1), `none` (random, drawn
    from `seed`), or a .pth or .safetensors file.
    pooling: `own`, as the network was made, or in place of all that follows its last maps `gem` (p, 1 to 100) or `rmac`
    (scales, 1 to 8): see networks/pooling.py. Raises UsageError, and SemblanceError when a download fails.
    """
    from pipeline.networks import pooling as poolings

    chosen = poolings.facts(pooling, p=p, scales=scales)
    if chosen and layer == "logits":
        raise UsageError(f"layer=logits comes after the network's own pooling; leave it out, or pooling={pooling}")
    published = _published(arch, weights)
    file = None if weights == "none" else _file(arch, published, weights)
    network, dim = _filled(arch, published, layer, file, seed)
    cropping = _cropping(published.transforms())
    if chosen:
        network, dim = poolings.pooled(network, cropping.size, chosen)
    return TorchEncoder(
        network,
        dim=dim,
        cropping=cropping,
        device=device,
        weight_file=file,
        again=lambda: _filled(arch, published, layer, file, seed)[0],
        architecture=f"torchvision {arch}",
        layer=layer,
        **chosen,
    )


def _filled(arch: str, published: Any, layer: str, file: Path | None, seed: int) -> tuple[torch.nn.Module, int]:
    """The network without its last layer or with it, and the dim of what it gives. file: of weights, None for random ones."""
    network = _network(arch, published, seed)
    name, last = _last_layer(network)
    if file:
        _load(network, read(file), skip=f"{name}." if layer == "penultimate" else "", arch=arch)
    if layer == "logits":
        return network, last.weight.shape[0]
    import torch

    network.set_submodule(name, torch.nn.Identity())
    return network, last.weight.shape[1]


def _published(arch: str, weights: str) -> Any:
    """The published weights that are meant, or those whose preprocessing is meant."""
    from torchvision import models

    choices = models.list_models(module=models)
    if arch not in choices:
        near = difflib.get_close_matches(arch, choices, n=3, cutoff=0.5) or choices
        raise UsageError(f"torchvision has no classifier {arch!r}; did you mean {', '.join(near)}?")
    sets = models.get_model_weights(arch)
    return sets[weights] if weights in sets.__members__ else sets.DEFAULT


def _file(arch: str, published: Any, weights: str) -> Path:
    from torchvision import models

    names = [*models.get_model_weights(arch).__members__]
    if weights == "default" or weights in names:
        return fetch(published.url)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UsageError(f"no weight file {weights!r}; weights is default, none, {', '.join(names)}, or a file")
    return path


def _network(arch: str, published: Any, seed: int) -> torch.nn.Module:
    from torchvision import models

    options: dict[str, Any] = {}
    if arch in ("googlenet", "inception_v3"):
        # their published weights expect pixels in [-1, 1]; given none, the builder would not rescale
        options = {"transform_input": True, "init_weights": True}
    if arch.startswith("vit_"):
        options = {"image_size": published.transforms().crop_size[0]}  # some published sets are for larger pictures
    with seeded(seed):
        network = models.get_model(arch, weights=None, **options)
    for auxiliary in ("AuxLogits", "aux1", "aux2"):  # classifiers that help training only
        if hasattr(network, auxiliary):
            setattr(network, auxiliary, None)
    return network


def _last_layer(network: torch.nn.Module) -> tuple[str, torch.nn.Linear | torch.nn.Conv2d]:
    """Name and module of the classifying layer: always the last one with weights (a 1 x 1 convolution in squeezenet)."""
    from torch.nn import Conv2d, Linear

    return [(name, module) for name, module in network.named_modules() if isinstance(module, (Linear, Conv2d))][-1]


def _load(network: torch.nn.Module, state: dict[str, torch.Tensor], *, skip: str, arch: str) -> None:
    """Copy `state` in whole. Names that begin with `skip` and auxiliary classifiers are left out."""
    left_out = tuple(filter(None, ("AuxLogits.", "aux1.", "aux2.", skip)))
    metadata = getattr(state, "_metadata", None) or getattr(network.state_dict(), "_metadata", None)
    # densenet's published file still says norm.1 where the network says norm1
    renamed = {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name): state[name] for name in state}
    state = OrderedDict((name, tensor) for name, tensor in renamed.items() if not name.startswith(left_out))
    state._metadata = metadata  # type: ignore[attr-defined]  # vit and mnasnet read their files' versions here
    try:
        missing, unknown = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise UsageError(f"these weights are not of torchvision's {arch}: {detail}") from error
    missing = [name for name in missing if not name.startswith(left_out) and "num_batches_tracked" not in name]
    if missing or unknown:
        fault = f"{len(missing)} of its tensors are missing and {len(unknown)} are unknown to it"
        raise UsageError(
            f"these weights are not of torchvision's {arch}: {fault}, first {[*missing, *unknown][0]}; "
            "name the arch that they were made with"
        )


def _cropping(transforms: Any) -> Cropping:
    (size,), (resize,) = transforms.crop_size, transforms.resize_size
    return Cropping(
        size=(size, size),
        resize=(resize, resize),
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )
