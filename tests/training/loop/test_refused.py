"""What training refuses before a folder is made, in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import LABELS, Said, new, photos, tiny, trained, variant

from pipeline.errors import UsageError
from training import recipes
from training.data.prepared import Prepared


@pytest.fixture(autouse=True)
def _small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line's cpu recipe on thumbnails."""
    facts = {"batch_size": 24, "test_side": 16, "dim": 16}
    monkeypatch.setitem(recipes.BASES, "cpu", recipes.Base(0.1, ((1.0, 16),), 5e-4, 0.8, facts))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--batch-size", "169"), "a batch of 169 is larger than the 168 training pictures; take a smaller one"),
        (("--batch-size", "1"), "a batch of 1 gives no statistics and no triplets; take at least 6"),
        (("--optim", "lion"), "unknown optimiser 'lion'; choose from sgd, adam, rms"),
        (("--recipe", "tpu"), "unknown recipe 'tpu'; choose from cpu, gpu, paper"),
        (
            ("--loss", "arcface"),
            "unknown loss 'arcface'; choose from cat, classification, deep_ranking, reconstruction, siam",
        ),
        (("--backbone", "vit"), "unknown backbone 'vit'; choose from dr10, dr18"),
        (("--frozen", "6"), "frozen=6: dr10 has 5 stages, so give 0 to 5"),
        (("--device", "cuda"), "device 'cuda' is not on this machine; choose from auto, cpu"),
        (("--minutes", "1"), "say how long to train: either minutes or epochs, above 0"),
        (("--loss", "cat", "--margin", "0.2"), "cat has no margin; its options are same_share"),
        (("--loss", "triplet_hinge", "--miner", "hard"), "triplet_hinge: miner='hard' is not one of all, uniform"),
        (("--sampler", "fair"), "deep_ranking: sampler='fair' is not one of exact, reservoir, uniform"),
        (
            ("--loss", "triplet_hinge", "--sampler", "exact"),
            "triplet_hinge has no sampler; its options are margin, miner",
        ),
        (("--loss", "deep_ranking:capacity=1", "--sampler", "reservoir"), "deep_ranking: reservoirs of 1 hold no pair"),
        (("--epochs", "inf"), "0 minutes, inf epochs: that never ends; give a number"),
        (("--name", "No Name"), "bad run name 'No Name'"),
        (("--init", "nowhere"), "nowhere holds no model.json; give the folder of an exported model or of a run"),
        (("--data", "nowhere"), "nowhere holds no prepared pictures"),
        (("--resume", "none"), "no run 'none' (there is: none yet)"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence_and_leaves_no_folder(
    data: Prepared, home: Path, said: Said, words: tuple[str, str], sentence: str
) -> None:
    if words[0] == "--device" and torch.cuda.is_available():
        pytest.skip("there is one")
    code, out, err = said("train", "--data", data.folder, "--epochs", "1", *words)
    assert code == (1 if "--resume" in words else 2)
    assert out == ""
    assert err.startswith(f"error: {sentence}")
    assert "\n" not in err
    assert not (home / "runs").exists() or not list((home / "runs").iterdir())


def test_weights_of_another_architecture_are_refused_with_both_named(data: Prepared, home: Path, said: Said) -> None:
    first = trained("first", data, tiny(), steps=1)
    code, _, err = said("train", "--data", data.folder, "--epochs", "1", "--init", first.root, "--dim", "8")
    assert code == 2
    assert "'dim': 16" in err
    assert "which cannot begin" in err
    assert "'dim': 8" in err
    assert said("train", "--data", data.folder, "--epochs", "1", "--init", first.root, "--backbone", "dr18")[0] == 2
    assert [run.name for run in (home / "runs").iterdir()] == ["first"]
    assert (
        "there is a run 'first' already; choose another --name"
        in said("train", "--data", data.folder, "--epochs", "1", "--name", "first")[2]
    )


def test_pictures_of_another_size_have_no_golden_feature_but_can_be_classified(
    stripes: Path, tmp_path: Path, said: Said
) -> None:
    root = photos(tmp_path / "photos", labels=LABELS[:3], each=20)
    assert said("prepare", f"folder:root={root}", tmp_path / "out", "--side", "32", "--progress", "none")[0] == 0
    code, _, err = said("train", "--data", tmp_path / "out", "--epochs", "1")
    assert (code, err) == (2, "error: deep_ranking needs pictures prepared with --side 64, these have 32")
    assert said("train", "--data", tmp_path / "out", "--epochs", "1", "--loss", "classification")[0] == 0


def test_a_dev_split_too_small_to_measure_with_is_refused_and_pairs_alone_are_enough(
    data: Prepared, tmp_path: Path
) -> None:
    split = np.where(data.table["split"] == "dev", "test", data.table["split"]).astype(object)
    with pytest.raises(UsageError, match="the dev split has 0 pictures of 0 labels, too few to measure with"):
        new("none", variant(data, tmp_path / "none", split=split), tiny(), steps=1)
    labels = data.table["label"].to_numpy()
    for label in LABELS[:2]:  # two dev pictures of two labels: each pair is as alike as any
        split[np.flatnonzero((labels == label) & (split == "train"))[:2]] = "dev"
    run = trained("pairs", variant(data, tmp_path / "pairs", split=split), tiny(), steps=10)
    assert "similarity_precision_in_class" not in run.metrics("dev")[-1]
