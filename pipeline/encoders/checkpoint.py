"""The best weights of a training run so far, also while it goes on."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.networks import model_folder
from pipeline.networks.frozen import TorchEncoder
from pipeline.plugins import Card
from pipeline.settings import Settings

CARD = Card(
    summary="the best weights of one of your training runs; dim is the run's",
    source="python -m training train",
    requires=("torch", "torchvision"),
    install="pip install torch torchvision",
)


def build(*, run: str, device: str = "auto") -> TorchEncoder:
    """run: a name that the Training page shows, or the path of a run's folder. Raises UsageError."""
    named = Settings().runs / run
    folder = named if named.is_dir() else Path(run).expanduser()
    if not (folder / "model.json").is_file():
        runs = ", ".join(sorted(file.parent.name for file in Settings().runs.glob("*/model.json"))) or "none yet"
        raise UsageError(f"no run {run!r} has weights (there are: {runs}); make one with: python -m training train …")
    return model_folder.load(folder).encoder(device)
