"""What a model's embedding says of the 1,000 kinds: a ridge regression from it to the answers of the backbone's classifier.

The classifier comes with the backbone's package and is asked about pictures whose labels are not looked at. A picture
then needs no second pass, and pictures that were embedded long ago none at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.images import opening
from pipeline.networks import efficientnet_lite, model_folder
from pipeline.networks.from_pixels import FromPixels
from pipeline.networks.model_folder import Model
from pipeline.records import Progress, silent
from training.frozen.fit import AXES_FROM, source

SHRINK = 1e-3  # of the mean variance of the embedding's dimensions
CHUNK = 32
HELD_OUT = 10  # of so many pictures one only says how often both name the same kind


def fit(
    folder: Path,
    *,
    labels: str,
    unlabelled: Sequence[str] = (),
    each: int = 0,
    limit: int = AXES_FROM,
    seed: int = 0,
    progress: Progress = silent,
) -> float:
    """Write kinds.safetensors beside the model in `folder`; the share of held-out pictures that it and the classifier agree on.

    The pictures that `fit_head` takes: `each` of every label of `labels` (0 = all), whose labels are not looked at, and
    `limit` of each of `unlabelled`. UsageError for a model without such a classifier.
    """
    model = model_folder.load(folder)
    backbone = str(model.about["options"]["backbone"])
    if not backbone.startswith("efficientnet_lite"):
        raise UsageError(f"{folder} stands on {backbone}; only EfficientNet-Lite's package brings a classifier")
    fingerprint = model.encoder("cpu").fingerprint
    sources = [source(labels, each=each, seed=seed, progress=progress)]
    sources += [source(spec, limit=limit, seed=seed, progress=progress) for spec in unlabelled]
    files = [opening.inside(dataset.root, record.path) for dataset, records in sources for record in records]
    embeddings, answers = _asked(model_folder.load(folder), int(backbone[-1]), files, progress)
    held_out = np.arange(len(files)) % HELD_OUT == 0
    weights, bias = regression(embeddings[~held_out], answers[~held_out])
    agree = (embeddings[held_out] @ weights.T + bias).argmax(axis=1) == answers[held_out].argmax(axis=1)
    write(folder / "kinds.safetensors", *regression(embeddings, answers), fingerprint=fingerprint)
    return float(agree.mean())


def regression(embeddings: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (kinds, dim) and bias (kinds,) that give the answers (n, kinds), before a softmax, from (n, dim)."""
    mean, level = embeddings.mean(axis=0, dtype=np.float64), answers.mean(axis=0, dtype=np.float64)
    x, y = embeddings - mean, answers - level
    spread = x.T @ x / len(x)  # (dim, dim)
    spread += SHRINK * np.trace(spread) / len(spread) * np.eye(len(spread))
    weights = np.linalg.solve(spread, x.T @ y / len(x)).T
    return weights, level - weights @ mean


def write(file: Path, weights: np.ndarray, bias: np.ndarray, *, fingerprint: str) -> None:
    """For the encoder with this fingerprint; float16, whose rounding changes no probability by a thousandth."""
    # safetensors writes memory as it lies, a transposed array by its columns
    held = {"weights": np.ascontiguousarray(weights, np.float16), "bias": np.ascontiguousarray(bias, np.float32)}
    with atomic.replacing(file) as temporary:
        temporary.write_bytes(save(held, metadata={"fingerprint": fingerprint}))


def _asked(model: Model, size: int, files: list[Path], progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, dim) and the classifier's answers (n, kinds), in one pass."""
    classifier = efficientnet_lite.build(size).classifier
    cropping, seen = model.cropping, dict[int, torch.Tensor]()
    whole = FromPixels(model.network, dim=model.about["dim"], mean=cropping.mean, std=cropping.std).eval()
    model.network.stages[-1].register_forward_hook(lambda _module, _inputs, output: seen.__setitem__(0, output))
    embeddings, answers = [], []
    for start in range(0, len(files), CHUNK):
        some = files[start : start + CHUNK]
        pixels = np.stack([cropping.pixels(opening.open_image(opening.read_file(file)).image) for file in some])
        with torch.inference_mode():
            embeddings.append(whole(torch.from_numpy(pixels)).numpy())
            answers.append(classifier(seen[0]).numpy())
        progress("kinds", start + len(some), len(files))
    return np.concatenate(embeddings), np.concatenate(answers)
