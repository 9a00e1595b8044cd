"""Pairs and the Siamese types' losses against plain loops, and a comparison that is cut short and goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import begun, tiny, variant
from torch.nn import functional as F
from typer.testing import CliRunner

from pipeline.errors import UsageError
from pipeline.settings import Settings
from training import recipes, runs
from training.__main__ import app
from training.data.prepared import Prepared
from training.recipes import Recipe
from training.results import compare_losses
from training.sampling.pairs import PairSampler

CATEGORIES = np.repeat([0, 1, 2], [12, 9, 4])
ITEMS = np.array([0, 1, 2] * 4 + [3, 4, 5] * 3 + [6] * 4)  # the third category holds one item
SHUFFLED = np.random.default_rng(0).permutation(25)


def drawn(n: int, **shares: float) -> tuple[np.ndarray, PairSampler, np.ndarray, np.ndarray]:
    items, categories = ITEMS[SHUFFLED], CATEGORIES[SHUFFLED]
    sampler = PairSampler(items, categories, **shares)
    return sampler.sample(n, seed=(3, 1)), sampler, items, categories


def test_first_come_pairs_of_one_item_then_pairs_of_two() -> None:
    pairs, sampler, items, _ = drawn(5000, same=0.3)
    assert sampler.alike(5000) == 1500
    same = items[pairs[:, 0]] == items[pairs[:, 1]]
    assert same[:1500].all()
    assert not same[1500:].any()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert set(pairs.ravel()) == set(range(25))


def test_negatives_are_of_one_category_as_often_as_asked() -> None:
    pairs, sampler, _, categories = drawn(20_000, same=0.1, near=0.8)
    negatives = pairs[sampler.alike(20_000) :]
    crowded = negatives[categories[negatives[:, 0]] != 2]  # where there is another item of the category
    assert (categories[crowded[:, 0]] == categories[crowded[:, 1]]).mean() == pytest.approx(0.8, abs=0.02)
    lonely = negatives[categories[negatives[:, 0]] == 2]
    assert len(lonely)
    assert (categories[lonely[:, 1]] != 2).all()


def test_every_partner_is_equally_likely() -> None:
    pairs, sampler, _, _ = drawn(200_000, same=0.5, near=1.0)
    anchor = int(np.flatnonzero(SHUFFLED == 0)[0])  # item 0, category 0
    alike = Counter(pairs[: sampler.alike(200_000)][pairs[: sampler.alike(200_000), 0] == anchor, 1].tolist())
    apart = Counter(pairs[sampler.alike(200_000) :][pairs[sampler.alike(200_000) :, 0] == anchor, 1].tolist())
    assert len(alike) == 3
    assert len(apart) == 8
    for counts in (alike, apart):
        mean = sum(counts.values()) / len(counts)
        assert all(abs(count - mean) < 6 * mean**0.5 for count in counts.values())


def test_the_same_seed_draws_the_same_pairs() -> None:
    assert (drawn(100)[0] == drawn(100)[0]).all()


def test_without_categories_every_negative_is_any_other_item() -> None:
    sampler = PairSampler(ITEMS, ITEMS, near=0.8)
    negatives = sampler.sample(4000, seed=0)[sampler.alike(4000) :]
    assert (ITEMS[negatives[:, 0]] != ITEMS[negatives[:, 1]]).all()
    assert set(ITEMS[negatives[:, 1]]) == set(range(7))


@pytest.mark.parametrize(
    ("items", "words"), [(np.arange(5), "no two are the same"), (np.zeros(5, int), "no two differ")]
)
def test_data_without_one_kind_of_pair_is_refused(items: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        PairSampler(items, np.zeros(5, int))


@pytest.mark.parametrize(
    ("name", "classification", "contrastive", "unit"),
    [
        ("cat", True, False, False),
        ("siam", False, True, False),
        ("siam_cat", True, True, False),
        ("siam_cat_cos", True, True, True),
    ],
)
def test_each_type_is_what_a_loop_over_its_pairs_gives(
    name: str, classification: bool, contrastive: bool, unit: bool
) -> None:
    torch.manual_seed(0)
    recipe = Recipe(label_smoothing=0.0, square_margin=0.0 if unit else 9.0)
    loss = recipes.objective(name).module(recipe, dim=4, n_labels=3)
    outputs, labels = 2 * torch.randn(10, 4), torch.tensor([0, 1, 2, 0, 1, 0, 1, 0, 2, 2])
    same = torch.tensor([True, True, False, False, False])
    wanted = 0.0
    if contrastive:
        m2 = 0.2 if unit else 9.0
        seen = F.normalize(outputs, dim=1) if unit else outputs
        for i in range(5):
            d = sum(float(a - b) ** 2 for a, b in zip(seen[i], seen[i + 5], strict=True))
            wanted += (d if same[i] else max(0.0, m2 - d)) / 5 * (1 if unit else 2 / m2)
    assert (loss.classifier is not None) == classification
    if classification:
        logits = (outputs @ loss.classifier.weight.T + loss.classifier.bias).detach().softmax(1)
        wanted += sum(-float(logits[i, labels[i]].log()) for i in range(10)) / 10
    assert loss(outputs, labels, same).item() == pytest.approx(wanted, rel=1e-5)


def test_a_step_shows_firsts_then_seconds_and_every_process_draws_its_own(data: Prepared, tmp_path: Path) -> None:
    made = begun(tiny(objective="siam", batch_size=16), data, tmp_path)
    rows = made.rows(4, rank=0, world=1)
    assert rows.shape == (16,)
    assert set(rows) <= set(data.split("train"))
    assert data.items[rows[0]] == data.items[rows[8]]
    assert all(data.items[a] != data.items[b] for a, b in zip(rows[1:8], rows[9:], strict=True))
    mine, others = (made.rows(4, rank=rank, world=2) for rank in (0, 1))
    assert len(mine) == len(others) == 8
    assert (mine != others).any()


def test_recipes_train_pairs_from_the_first_step_on() -> None:
    made = recipes.recipe("cpu", loss="siam_cat", square_margin=5.0)
    assert [phase.objective for phase in made.phases] == ["siam_cat"]
    assert recipes.from_json(json.loads(json.dumps(recipes.to_json(made)))) == made


def test_items_and_categories_are_the_label_where_nothing_is_named(data: Prepared, tmp_path: Path) -> None:
    assert (data.items == data.labels).all()
    items = [f"item {n % 7}" for n in range(len(data.labels))]
    named = variant(data, tmp_path / "named", item=items, category=data.table["label"])
    assert (named.categories == data.labels).all()
    assert len(set(named.items)) == 7


def test_prepare_names_the_metadata_there_is(home: Path, tmp_path: Path) -> None:
    words = ["prepare", "catalogue:items=32,views=2,size=32", str(tmp_path / "out")]
    said = CliRunner().invoke(app, [*words, "--item", "thing"])
    assert "no picture of this dataset has metadata 'thing'; it has colour, item, kind, pattern" in str(said.exception)


def test_a_comparison_goes_on_where_it_was_cut_and_measures_every_run_once(
    data: Prepared, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"batch_size": 24, "test_side": 16, "dim": 16, "labels_per_batch": 6}
    monkeypatch.setitem(recipes.BASES, "cpu", recipes.Base(0.1, ((1.0, 16),), 5e-4, 0.8, small))
    options = {"prefix": "few", "epochs": 2, "command": ["compare-losses"], "device": "cpu"}
    losses = ["cat", "siam_cat_cos", "triplet_hinge"]
    first = compare_losses.compare(data, losses[:1], seeds=(0, 1), **options)
    trained = runs.open_run("few-cat-1", Settings())
    kept = trained.best.stat().st_mtime_ns
    rows = compare_losses.compare(data, losses, seeds=(0, 1), **options)
    assert rows[0] == first[0]
    assert trained.best.stat().st_mtime_ns == kept
    assert [row["loss"] for row in rows] == losses
    values = [
        runs.open_run(f"few-siam-cat-cos-{seed}", Settings()).about()["comparison"]["map_at_r"] for seed in (0, 1)
    ]
    assert rows[1]["metrics"]["map_at_r"]["mean"] == pytest.approx(sum(values) / 2)
    assert rows[1]["metrics"]["map_at_r"]["std"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    shown = compare_losses.table(rows)
    assert shown.count("\n") == 4
    assert f"{rows[0]['metrics']['pair_auc']['mean']:.3f} ±" in shown
    with pytest.raises(UsageError, match="run few-cat-0 was made another way"):
        compare_losses.compare(data, ["cat"], seeds=(0,), **options | {"epochs": 3})
