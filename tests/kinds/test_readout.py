"""How likely each kind is, against loops that a child could check."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiny_kinds
from tiny_gallery import encoder

from pipeline import ROOT
from pipeline.errors import UsageError
from pipeline.kinds import readout
from pipeline.kinds.readout import MAX_DIRECTIONS, Readout


def drawn(kinds: int = 40, dim: int = 6) -> Readout:
    random = np.random.default_rng(0)
    return Readout(random.normal(0, 5, (kinds, dim)).astype(np.float32), random.normal(0, 1, kinds).astype(np.float32))


def test_probabilities_are_those_of_a_plain_softmax() -> None:
    made, rows = drawn(), np.eye(6, dtype=np.float32)
    for row, given in zip(rows, made.probabilities(rows), strict=True):
        powers = [math.exp(sum(float(w) * float(x) for w, x in zip(weights, row, strict=True)) + float(b))
                  for weights, b in zip(made.weights, made.bias, strict=True)]  # fmt: skip
        np.testing.assert_allclose(given, [power / sum(powers) for power in powers], rtol=1e-4)


def test_few_kinds_have_a_direction_each_and_many_share_sixteen() -> None:
    made = drawn()
    few = made.directions([3, 5])
    for row, kind in zip(few, (3, 5), strict=True):
        from_middle = made.weights[kind] - made.weights.mean(axis=0)
        np.testing.assert_allclose(row, from_middle / np.linalg.norm(from_middle), rtol=1e-5)
    many = made.directions(range(40))
    assert many.shape == (MAX_DIRECTIONS, 6)
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(made.direction(range(40))), 1, rtol=1e-5)
    same = Readout(np.ones((40, 6), np.float32), np.zeros(40, np.float32))  # kinds that cannot be told apart
    assert np.isfinite(same.directions(range(40))).all()


def test_an_encoder_has_the_readout_that_was_fitted_to_it_and_no_other(tmp_path: Path, monkeypatch) -> None:
    weights, bias = tiny_kinds.use(tmp_path, monkeypatch)
    fitted = readout.of(encoder().fingerprint)
    assert fitted is not None
    np.testing.assert_array_equal(fitted.weights, weights)
    np.testing.assert_array_equal(fitted.bias, bias)
    assert readout.of("0" * 64) is None


def test_the_shipped_readout_is_of_the_shipped_model() -> None:
    import json

    about = json.loads((ROOT / "models" / "model.json").read_text(encoding="utf-8"))
    shipped = readout.of(about["fingerprint"])
    assert shipped is not None
    assert shipped.weights.shape == (1000, about["dim"])
    assert readout.FILE.stat().st_size < 600_000


def test_a_missing_file_is_no_readout_and_a_damaged_one_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(readout, "FILE", tmp_path / "none.safetensors")
    assert readout.of(encoder().fingerprint) is None
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"no tensors")
    monkeypatch.setattr(readout, "FILE", bad)
    with pytest.raises(UsageError, match=r"bad\.safetensors cannot be read"):
        readout.of(encoder().fingerprint)
