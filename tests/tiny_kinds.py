"""A made-up readout of the 1,000 kinds for the colour histogram, so that tests need no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_gallery import SPEC, encoder

from pipeline.kinds import readout


def use(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, spec: str = SPEC, strength: float = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (1000, dim) and bias (1000,), drawn, which the encoder of `spec` has from now on."""
    random, built = np.random.default_rng(0), encoder(spec)
    weights = random.normal(0, strength, (1000, built.dim)).astype(np.float16)
    bias = random.normal(0, 1, 1000).astype(np.float32)
    file = folder / "kinds.safetensors"
    save_file({"weights": weights, "bias": bias}, file, metadata={"fingerprint": built.fingerprint})
    monkeypatch.setattr(readout, "FILE", file)
    return weights.astype(np.float32), bias
