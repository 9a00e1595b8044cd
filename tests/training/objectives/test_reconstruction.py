"""An autoencoder: pictures drawn again from their embedding, without labels, and the run an encoder like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import Said, begun, draw, new, tiny, trained
from torch.nn import functional as F

from pipeline import plugins
from pipeline.errors import UsageError
from training import recipes
from training.data import prepared
from training.data.prepare import prepare
from training.data.prepared import Prepared
from training.loop import loop

SPEC = "reconstruction:side=16,maps=32"


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 stripes in one folder: no labels."""
    folder = tmp_path_factory.mktemp("flat")
    for i in range(60):
        draw(i % 6, i).save(folder / f"{i:02d}.png", compress_level=1)
    return folder


@pytest.fixture(scope="module")
def unlabelled(flat: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder, spec = tmp_path_factory.mktemp("unlabelled"), f"folder:root={flat}"
    prepare(plugins.build("datasets", spec), folder, spec=spec, dev_share=0.15, unlabelled=True)
    return prepared.load(folder)


def test_its_loss_is_the_mean_squared_error_of_the_picture_that_the_decoder_draws(
    unlabelled: Prepared, tmp_path: Path
) -> None:
    objective = begun(tiny(objective=SPEC), unlabelled, tmp_path)
    objective.pictures, embeddings = torch.randn(3, 3, 16, 16), F.normalize(torch.randn(3, 16))
    labels = torch.zeros(3, dtype=torch.int64)
    found = float(objective.loss(embeddings, labels, F.one_hot(labels, 1).float()).detach())
    drawn = objective.context.module(embeddings).detach()
    assert drawn.shape == objective.pictures.shape
    pairs = zip(drawn.flatten().tolist(), objective.pictures.flatten().tolist(), strict=True)
    errors = [(a - b) ** 2 for a, b in pairs]
    assert found == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_the_error_falls_and_the_run_is_an_encoder(
    unlabelled: Prepared, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "RECORD", 5)
    run = trained("redrawn", unlabelled, tiny(objective=SPEC, dim=32), steps=50)
    errors = [line["loss"] for line in run.metrics("train")]
    assert errors[-1] < 0.7 * errors[0]
    assert errors[-1] < 0.5  # 1 is the error of the mean colour
    assert set(run.about()["figures"]) == {"effective_rank"}
    assert not any("losses" in name or "decoder" in name for name in load_file(run.best))
    encoder = plugins.build("encoders", f"checkpoint:run={run.root}", device="cpu")
    pictures = [draw(label, seed) for label in (0, 3) for seed in (100, 101)]
    rows = encoder.encode(np.stack([encoder.preprocess(picture) for picture in pictures]))
    scores = rows @ rows.T
    assert scores[0, 1] > max(scores[0, 2], scores[0, 3])


def test_a_folder_without_labels_is_trained_on_by_one_command(said: Said, home: Path, flat: Path) -> None:
    words = ("--dataset", f"folder:root={flat}", "--epochs", "2", "--batch-size", "24", "--name", "one", "--grid", "0")
    code, out, err = said("train", *words, "--loss", SPEC, "--device", "cpu")
    assert code == 0, err
    assert "one: finished; best on dev: effective_rank" in out
    assert plugins.build("encoders", "checkpoint:run=one", device="cpu").dim == 384
    code, _, err = said("evaluate", "one", "--device", "cpu")
    assert code == 2
    assert "prepared without labels" in err
    code, _, err = said("train", *words[:-4], "--name", "two", "--loss", "classification")
    assert code == 2
    assert "at least two labels" in err


def test_pictures_prepared_without_labels_teach_no_loss_that_needs_them(unlabelled: Prepared, home: Path) -> None:
    with pytest.raises(UsageError, match="at least two labels"):
        new("no", unlabelled, tiny(), steps=2)


@pytest.mark.parametrize(
    ("loss", "facts", "words"),
    [
        ("reconstruction", {"margin": 0.2}, "reconstruction has no margin; its options are side, maps"),
        ("reconstruction", {"head_only": True}, "cannot tune the head alone"),
        ("reconstruction:side=12", {}, "'12' is not one of 8, 16, 32, 64"),
        ("reconstruction:maps=2", {}, "maps=2 is not between 8 and 1,024"),
    ],
)
def test_options_that_it_does_not_have_are_refused(loss: str, facts: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipes.modules(recipes.recipe("cpu", loss=loss, **facts), dim=16, n_labels=2)
