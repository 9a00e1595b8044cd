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
    for said in (about["command"], about["data"]["dataset"], "Terms of the data"):
        assert said in card


def test_it_beats_an_untrained_network_on_photos_it_never_saw(clothing: Path) -> None:
    from training.results import evaluate

    dataset = plugins.build("datasets", f"clothing:root={clothing}")
    trained, untrained = (
        evaluate.transferred(plugins.build("encoders", spec, device="cpu"), dataset, split="validation")["metrics"]
        for spec in ("deep_ranking", "deep_ranking:trained=false")
    )
    for name in ("recall_at_1", "map_at_r"):
        assert trained[name]["low"] > untrained[name]["value"]
