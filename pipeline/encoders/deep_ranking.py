"""The multiscale Deep Ranking network: the model that this repository ships, another export, or untrained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pipeline import ROOT
from pipeline.errors import UsageError
from pipeline.networks import model_folder
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder, seeded
from pipeline.plugins import Card, PathText

CARD = Card(
    summary="Deep Ranking (Wang et al. 2014), trained here: colour and layout beside meaning; small and fast",
    licence="MIT; weights: models/MODEL_CARD.md",
    source="https://arxiv.org/abs/1404.4661",
    requires=("torch", "torchvision"),
    install="pip install torch torchvision",
    nested=True,
)
SHIPPED, SMALL = ROOT / "models", "models/small"


def build(
    *,
    weights: PathText = PathText(""),
    trained: bool = True,
    backbone: Literal[
        "dr10", "dr18", "resnet18", "resnet50", "resnet101", "alexnet", "efficientnet_lite0", "efficientnet_lite2"
    ] = "dr10",
    dim: int = 0,
    multiscale: bool = True,
    grid: int = 0,
    seed: int = 0,
    device: str = "auto",
) -> TorchEncoder:
    """weights: a folder with model.json, such as `python -m training export` writes; empty: the shipped model, and
    models/small: the smaller one that was shipped before it.

    trained=false: random weights drawn from `seed`, what training has to beat; only then do backbone, dim (0 = the
    backbone's usual one), multiscale and grid say something, as a model.json knows its own.
    Raises UsageError for a folder without a model, or a damaged one.
    """
    if not trained:
        return _untrained(seed, backbone=backbone, dim=dim, multiscale=multiscale, grid=grid).encoder(device)
    folder = Path(weights).expanduser() if weights else SHIPPED
    if weights == SMALL and not folder.is_dir():  # wherever the program was started
        folder = ROOT / SMALL
    if not weights and not (folder / "model.json").is_file():
        raise UsageError(f"no model is shipped in {folder}; train one, or give weights=FOLDER")
    return model_folder.load(folder).encoder(device)


def _untrained(seed: int, *, backbone: str, **options: Any) -> model_folder.Model:
    from pipeline.networks import deep_ranking

    with seeded(seed):
        network = deep_ranking.build(backbone, **options)  # type: ignore[arg-type]  # checked there
    side = deep_ranking.PLANS[backbone].size
    return model_folder.Model(network, Cropping((side, side), (side, side)), {"options": network.options})
