"""A run as a model that anyone can load: half-precision weights, model.json, a card, and a check that travels with it."""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.files import atomic
from pipeline.networks import deep_ranking, model_folder
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder
from training import recipes
from training.data import prepared
from training.results import cards
from training.runs import Run

WEIGHTS, GOLDEN = "model.safetensors", "golden.safetensors"
MIN_COSINE = 0.999  # cosine between half and full precision, of every picture


def export(run: Run, folder: Path, *, phase: str = "") -> dict[str, Any]:
    """Write the model into `folder`, replacing one that is there, and return its model.json.

    phase: `classification` exports what that phase ended with instead of the best weights.
    Raises UsageError when the run has none yet, SemblanceError when half precision changes an embedding.
    """
    from safetensors.torch import load_file

    about = run.about()
    source = run.best if not phase else run.root / f"{phase}.safetensors"
    if not source.is_file():
        phases = ", ".join(sorted(file.stem for file in run.root.glob("*.safetensors"))) or "none yet"
        raise UsageError(f"run {run.name} has no weights {source.name} (there are: {phases}); let it train longer")
    kept = model_folder.load(run.root)
    facts = _facts(run, about, phase)
    return write(folder, load_file(source), options=kept.about["options"], cropping=kept.cropping, facts=facts)


def write(
    folder: Path, full: dict[str, Any], *, options: dict[str, Any], cropping: Cropping, facts: dict[str, Any]
) -> dict[str, Any]:
    """Write a network with the weights `full` as a model folder and return its model.json.

    Figures of a model that was there and is the same stay.
    Raises SemblanceError when half precision changes an embedding.
    """
    import torch
    from safetensors.torch import save_file

    half = {name: t.half().contiguous() if t.is_floating_point() else t.contiguous() for name, t in full.items()}
    pictures = drawings()
    full_encoder, encoder = (_encoder(options, cropping, state) for state in (full, half))
    inputs = np.stack([encoder.preprocess(picture) for picture in pictures])
    embeddings = encoder.encode(inputs)
    closest = float((embeddings * full_encoder.encode(inputs)).sum(1).min())
    if not closest >= MIN_COSINE:  # before anything is replaced
        raise SemblanceError(f"half precision changes an embedding (cosine {closest:.4f}); the model is not to be used")

    with contextlib.suppress(UsageError):
        before = model_folder.load(folder).about
        if before.get("fingerprint") == encoder.fingerprint:
            facts = facts | {"evaluation": before.get("evaluation", {}) | facts["evaluation"]}
    folder.mkdir(parents=True, exist_ok=True)
    golden = {"pictures": torch.from_numpy(np.stack(pictures)), "embeddings": torch.from_numpy(embeddings)}
    for name, tensors in ((WEIGHTS, half), (GOLDEN, golden)):
        with atomic.replacing(folder / name) as temporary:
            save_file(tensors, temporary)
    facts = facts | {"fingerprint": encoder.fingerprint, "bytes": (folder / WEIGHTS).stat().st_size}
    return _described(folder, options, cropping, facts)


def add_figures(folder: Path, name: str, report: dict[str, Any]) -> None:
    """Put what was measured into a model's model.json and card. UsageError for a model that was not made here."""
    model = model_folder.load(folder)
    if "evaluation" not in model.about:
        raise UsageError(f"{folder / 'model.json'} has no place for figures; export the model again")
    made = ("format", "architecture", "options", "preprocessing", "weights")
    facts = {key: value for key, value in model.about.items() if key not in made}
    facts["evaluation"] = facts["evaluation"] | {name: report}
    _described(folder, model.about["options"], model.cropping, facts)


def _described(folder: Path, options: dict[str, Any], cropping: Cropping, facts: dict[str, Any]) -> dict[str, Any]:
    model_folder.write(folder, options=options, cropping=cropping, weights=WEIGHTS, **facts)
    made = model_folder.load(folder).about
    with atomic.replacing(folder / "MODEL_CARD.md") as temporary:
        temporary.write_text(cards.card(made), encoding="utf-8")
    return made


def _encoder(options: dict[str, Any], cropping: Cropping, state: dict[str, Any]) -> TorchEncoder:
    """The network with these weights, half precision widened again as loading does."""
    network = deep_ranking.build(**options)
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return model_folder.Model(network, cropping, {"options": options}).encoder("cpu")


def drawings(n: int = 4) -> list[Any]:
    """The same few coloured pictures of 96 × 80 px everywhere, from integers alone."""
    from PIL import Image

    y, x = np.mgrid[0:80, 0:96]
    pictures = []
    for i in range(n):
        planes = [(x * (3 + i) + y * (2 + c) + (x // (4 + i)) * (y // (5 + c)) * (7 * i + 3)) % 256 for c in range(3)]
        pictures.append(Image.fromarray(np.stack(planes, axis=2).astype(np.uint8)))
    return pictures


def _began_with(init: str) -> dict[str, Any]:
    """Which run's weights a run began with; {} for none, or when that model has been moved since."""
    try:
        about = model_folder.load(Path(init).expanduser()).about if init else {}
    except UsageError:
        return {}
    return {key: about[key] for key in ("command", "phase", "steps", "minutes") if key in about}


def _facts(run: Run, about: dict[str, Any], phase: str) -> dict[str, Any]:
    """What model.json tells of the training. No path of the machine, so it may be published."""
    data = prepared.load(Path(about["data"]["folder"])).about
    phases = [plugins.parse(phase["objective"])[0] for phase in about["recipe"]["phases"]]
    steps = max(s["end"] for s in about["schedule"] if phase in ("", phases[s["phase"]]))
    seconds = max((line["seconds"] for line in run.metrics() if line["step"] <= steps), default=0.0)
    return {
        "dim": about["network"]["dim"],
        "run": run.name,
        "phase": phase or phases[-1],
        "command": about["command"],
        "began_with": _began_with(about["init"]),
        "recipe": about["recipe"],
        "relevance": {} if phase == recipes.CLASSIFICATION else about.get("relevance", {}),
        "steps": steps,
        "minutes": round(seconds / 60, 1),
        "device": about["device"],
        "versions": about["versions"],
        "data": {
            "dataset": data["dataset"].partition(":")[0], "splits": data["splits"], "labels": len(data["labels"]),
            "dropped": len(data["dropped"]),
        },
        "evaluation": about.get("evaluation", {}),
        "exported": datetime.date.today().isoformat(),
    }  # fmt: skip
