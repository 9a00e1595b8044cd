"""The multiscale Deep Ranking network: the model that this repository ships, another export, or untrained."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.networks import model_folder
from pipeline.networks.frozen import TorchEncoder
from pipeline.plugins import Card, PathText

CARD = Card(
    summary="Deep Ranking (Wang et al. 2014), trained here: colour and layout beside meaning; dim 128, small and fast",
    licence="MIT; weights: models/MODEL_CARD.md",
    source="https://arxiv.org/abs/1404.4661",
    requires=("torch", "torchvision"),
    install="pip install torch torchvision",
)
SHIPPED = Path(__file__).parents[2] / "models"


def build(*, weights: PathText = PathText(""), device: str = "auto") -> TorchEncoder:
    """weights: a folder with model.json, such as `python -m training export` writes; empty: the shipped model.

    Raises UsageError for a folder without a model, or a damaged one.
    """
    folder = Path(weights).expanduser() if weights else SHIPPED
    if not weights and not (folder / "model.json").is_file():
        raise UsageError(f"no model is shipped in {folder}; train one, or give weights=FOLDER")
    return model_folder.load(folder).encoder(device)
