"""Any image network of timm: xception, DINOv2, CLIP towers and some thousand more, pooled."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import SemblanceError, UsageError
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder, seeded
from pipeline.networks.weights import fetch, read
from pipeline.plugins import Card

if TYPE_CHECKING:
    import torch

CARD = Card(
    summary="1,300 networks (xception41, DINOv2, CLIP towers, …), pooled; dim is the network's own, 2,048 for resnet50",
    licence="Apache-2.0; weights: each model's own, read its page",
    source="https://github.com/huggingface/pytorch-image-models",
    requires=("torch", "timm"),
    install="pip install torch timm",
)


def build(
    *,
    arch: str = "resnet50",
    weights: str = "default",
    pooling: Literal["own", "gem", "rmac"] = "own",
    p: float = 3,
    scales: int = 3,
    seed: int = 0,
    device: str = "auto",
) -> TorchEncoder:
    """An encoder with the preprocessing that timm resolves for this network; its classifier is left out.

    arch: a name of timm.list_models, with or without the tag of its weights (resnet50.a1_in1k). weights: `default`
    (downloaded once), `none` (random, drawn from `seed`), or a .pth or .safetensors file.
    pooling: `own`, as the network was made, or its last maps by `gem` (p, 1 to 100) or `rmac` (scales, 1 to 8): see
    networks/pooling.py. Raises UsageError, and SemblanceError when a download fails.
    """
    import timm

    from pipeline.networks import pooling as poolings

    _check(arch)
    chosen = poolings.facts(pooling, p=p, scales=scales)
    network, file = _pooled(arch, weights, seed)
    dim = getattr(network, "head_hidden_size", network.num_features)
    cropping = _cropping(arch, timm.data.resolve_model_data_config(network))
    if chosen:
        network, dim = poolings.pooled(network, cropping.size, chosen)
    return TorchEncoder(
        network,
        dim=dim,
        cropping=cropping,
        device=device,
        weight_file=file,
        again=lambda: _pooled(arch, weights, seed)[0],
        architecture=f"timm {arch.partition('.')[0]}",
        **chosen,
    )


def _pooled(arch: str, weights: str, seed: int) -> tuple[Any, Path | None]:
    """The network without its classifier, and the file that it was read from."""
    with seeded(seed):
        network, file = _random(arch) if weights == "none" else _trained(arch, weights)
    network.reset_classifier(0)
    return network, file


def _check(arch: str) -> None:
    import timm

    name, _, tag = arch.partition(".")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5) or ["resnet50", "xception41"]
        raise UsageError(f"timm has no network {name!r}; did you mean {', '.join(near)}?")
    if tag and arch not in (tagged := timm.list_models(f"{name}.*", pretrained=True)):
        raise UsageError(f"timm has no weights {tag!r} for {name}; choose from {', '.join(tagged) or '(none)'}")


def _random(arch: str) -> tuple[Any, None]:
    import timm

    return timm.create_model(arch, pretrained=False), None


def _trained(arch: str, weights: str) -> tuple[Any, Path | None]:
    """The network with its own classifier still on, so that timm loads strictly and a wrong file cannot slip in.

    And the file that it was read from; None where timm has found the weights by itself.
    """
    import timm

    about = timm.get_pretrained_cfg(arch)
    if weights != "default":
        return _loaded(arch, Path(weights).expanduser(), about)
    if about is None or not (about.hf_hub_id or isinstance(about.url, str)):
        raise UsageError(f"nobody published weights for timm's {arch}; give weights=PATH or weights=none")
    if not about.hf_hub_id:
        return _loaded(arch, fetch(str(about.url)), about)
    try:
        return _from_hub(arch, about)
    except (OSError, RuntimeError) as error:
        page = f"https://huggingface.co/{about.hf_hub_id}"
        raise SemblanceError(
            f"cannot download the weights of timm's {arch}: {str(error).splitlines()[0]}; save model.safetensors from "
            f"{page} yourself and give weights=PATH, or give weights=none for random weights"
        ) from error


def _from_hub(arch: str, about: Any) -> tuple[Any, Path | None]:
    import timm
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if not about.hf_hub_filename and not about.custom_load:
        try:
            # looked up first without asking the hub, which offline would take half a minute at every start
            file = hf_hub_download(about.hf_hub_id, "model.safetensors", local_files_only=True)
        except LocalEntryNotFoundError:
            try:
                file = hf_hub_download(about.hf_hub_id, "model.safetensors")
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:  # an older upload in another format, which timm knows how to find
                return timm.create_model(arch, pretrained=True), None
        return _loaded(arch, Path(file), about)
    return timm.create_model(arch, pretrained=True), None


def _loaded(arch: str, file: Path, about: Any) -> tuple[Any, Path]:
    """The file is as published, or ends in a classifier of another width, or in none."""
    return _filled(arch, read(file), about), file


def _filled(arch: str, state: dict[str, torch.Tensor], about: Any) -> Any:
    import timm

    head = about.classifier if about is not None else None
    rows = state.get(f"{head[0] if isinstance(head, tuple) else head}.weight")
    width = 0 if rows is None else len(rows)
    try:
        try:
            return timm.create_model(arch, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)})
        except (RuntimeError, KeyError):
            # timm drops what does not fit, silently, unless the width asked for is the width promised
            overlay = {"state_dict": dict(state), "num_classes": width, "label_offset": 0}
            return timm.create_model(arch, pretrained=True, num_classes=width, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError) as error:
        detail = str(error).splitlines()[-1].strip()[:200]
        raise UsageError(f"these weights are not of timm's {arch}: {detail}") from error


def _cropping(arch: str, config: dict[str, Any]) -> Cropping:
    if config["crop_mode"] == "border":
        raise UsageError(f"timm's {arch} wants pictures with a border, which is not supported; choose another network")
    _, height, width = config["input_size"]
    return Cropping(
        size=(height, width),
        resize=(math.floor(height / config["crop_pct"]), math.floor(width / config["crop_pct"])),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        squash=config["crop_mode"] == "squash",
    )
