"""An exported model is small, whole, checked, and tells where it comes from, but nothing of the machine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_training import Said, tiny, trained

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.networks import model_folder
from training.data.prepared import Prepared
from training.results import export as exporting
from training.results.export import export
from training.runs import Run


@pytest.fixture
def run(data: Prepared, home: Path) -> Run:
    return trained("mine", data, tiny(then="deep_ranking"), steps=10)


def test_it_is_the_runs_encoder_in_half_precision(run: Run, tmp_path: Path) -> None:
    made = export(run, tmp_path / "model")
    assert load_file(tmp_path / "model" / "model.safetensors")["head.weight"].dtype == torch.float16
    encoder, full = (
        plugins.build("encoders", spec, device="cpu")
        for spec in (f"deep_ranking:weights={tmp_path / 'model'}", f"checkpoint:run={run.root}")
    )
    assert encoder.fingerprint == made["fingerprint"]
    picture = encoder.preprocess(exporting.drawings()[0])[None]
    assert float((encoder.encode(picture) * full.encode(picture)).sum()) > 0.999


def test_the_check_that_travels_with_it_holds(run: Run, tmp_path: Path) -> None:
    export(run, tmp_path)
    golden = load_file(tmp_path / "golden.safetensors")
    encoder = model_folder.load(tmp_path).encoder("cpu")
    inputs = np.stack([encoder.preprocess(Image.fromarray(picture)) for picture in golden["pictures"].numpy()])
    assert (encoder.encode(inputs) * golden["embeddings"].numpy()).sum(1).min() > 0.9999


def test_its_card_tells_the_command_the_data_and_its_terms(run: Run, tmp_path: Path) -> None:
    run.update(
        evaluation={
            "test, all labels": {"queries": 36, "metrics": {"recall_at_1": {"value": 0.5, "low": 0.4, "high": 0.6}}}
        }
    )
    made = export(run, tmp_path)
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for said in (made["command"], "168 train", "Terms of the data", "| recall_at_1 | 0.5000 | 0.4000 to 0.6000 |"):
        assert said in card
    published = card + json.dumps(made)
    assert str(Path(run.about()["data"]["folder"])) not in published
    assert made["data"]["dataset"] == "folder"


def test_what_a_phase_ended_with_can_be_exported_and_names_its_own_steps(run: Run, tmp_path: Path) -> None:
    made = export(run, tmp_path, phase="classification")
    assert (made["phase"], made["steps"]) == ("classification", run.about()["schedule"][0]["end"])
    kept = load_file(run.root / "classification.safetensors")["head.weight"]
    torch.testing.assert_close(
        load_file(tmp_path / "model.safetensors")["head.weight"].float(), kept, atol=1e-3, rtol=1e-2
    )


def test_a_model_begun_with_another_names_that_ones_command(data: Prepared, run: Run, tmp_path: Path) -> None:
    first = export(run, tmp_path / "first")
    second = trained("second", data, tiny(), steps=4, init=str(tmp_path / "first"))
    assert export(second, tmp_path / "second")["began_with"]["command"] == first["command"]


def test_what_cannot_be_exported_is_said_in_a_sentence(
    run: Run, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"has no weights proxy_anchor.safetensors \(there are: best, classification"):
        export(run, tmp_path, phase="proxy_anchor")
    assert said("export", "nobody", tmp_path)[0] == 1
    monkeypatch.setattr(exporting, "MIN_COSINE", 1.1)
    with pytest.raises(SemblanceError, match="half precision changes an embedding"):
        export(run, tmp_path)
