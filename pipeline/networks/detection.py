"""torchvision's networks that find objects (Faster and Mask R-CNN), with published, random or a file's weights."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.networks.frozen import seeded
from pipeline.networks.weights import fetch, read

if TYPE_CHECKING:
    import torch

KINDS = ("fasterrcnn", "maskrcnn")
_CLASSES = "roi_heads.box_predictor.cls_score.weight"
# torchvision sets this in the networks of these published weights, so those who trained on from them had it too
_NO_EPSILON = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn")


def archs() -> list[str]:
    from torchvision import models

    return [name for name in models.list_models(module=models.detection) if name.startswith(KINDS)]


def build(arch: str, *, weights: str, seed: int, **options: Any) -> torch.nn.Module:
    """The network in eval mode. options: of torchvision's own builder, such as min_size.

    weights: `default` (downloaded once), the name of another published set, `none` (random, drawn from `seed`), or a .pth
    or .safetensors file, which may be for another number of labels. Raises UsageError, and SemblanceError when a download
    fails.
    """
    from torch import nn
    from torchvision import models

    choices = archs()
    if arch not in choices:
        near = difflib.get_close_matches(arch, choices, n=3, cutoff=0.5) or choices
        raise UsageError(f"torchvision has no detector {arch!r}; did you mean {', '.join(near)}?")
    state = None if weights == "none" else read(_file(arch, weights))
    if state is not None and _CLASSES not in state:
        raise UsageError(f"these weights are not of torchvision's {arch}: they lack {_CLASSES}")
    n_labels = len(categories(arch)) if state is None else state[_CLASSES].shape[0]
    with seeded(seed):
        network = models.get_model(arch, weights=None, weights_backbone=None, num_classes=n_labels, **options)
    if state is not None:
        _load(network, state, arch)
    if arch in _NO_EPSILON:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return network.eval().requires_grad_(False)


def categories(arch: str) -> list[str]:
    """COCO's labels in the order of the published weights; the first is the background."""
    from torchvision import models

    return list(models.get_model_weights(arch).DEFAULT.meta["categories"])


def n_labels(network: torch.nn.Module) -> int:
    """The background included."""
    return int(network.get_parameter(_CLASSES).shape[0])


def _file(arch: str, weights: str) -> Path:
    from torchvision import models

    sets = models.get_model_weights(arch)
    if weights == "default" or weights in sets.__members__:
        return fetch((sets.DEFAULT if weights == "default" else sets[weights]).url)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UsageError(
            f"no weight file {weights!r}; weights is default, none, {', '.join(sets.__members__)}, or a file"
        )
    return path


def _load(network: torch.nn.Module, state: dict[str, torch.Tensor], arch: str) -> None:
    try:
        missing, unknown = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise UsageError(f"these weights are not of torchvision's {arch}: {detail}") from error
    missing = [name for name in missing if "num_batches_tracked" not in name]  # frozen layers do not count
    if missing or unknown:
        fault = f"{len(missing)} of its tensors are missing and {len(unknown)} are unknown to it"
        raise UsageError(
            f"these weights are not of torchvision's {arch}: {fault}, first {[*missing, *unknown][0]}; "
            "name the arch that they were made with"
        )
