"""What a phase learns from: the rows of a step, over one process or several, and figures as a child would count them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import begun, tiny
from torch.nn import functional as F

from training import recipes
from training.data.prepared import Prepared
from training.objectives._objective import Objective, pair_figures

OLD = json.loads((Path(__file__).parent / "runs_of_0491442.json").read_text(encoding="utf-8"))


def made(name: str, data: Prepared, folder: Path, **facts) -> Objective:
    """Over the 168 training rows, 28 of each of six labels."""
    return begun(tiny(objective=name, **({"dim": 8, "batch_size": 12, "labels_per_batch": 4} | facts)), data, folder)


def unit(n: int, dim: int = 8, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("name", ["classification", "multi_similarity", "deep_ranking"])
def test_the_processes_rows_together_are_the_batch_of_one_process(name: str, data: Prepared, tmp_path: Path) -> None:
    objective = made(name, data, tmp_path)
    for step in (0, 1, 7):
        alone = objective.rows(step, rank=0, world=1)
        parts = [objective.rows(step, rank=rank, world=2) for rank in range(2)]
        assert sorted(alone) == sorted(np.concatenate(parts))
        assert len(parts[0]) == len(parts[1]) == 6


def test_classification_sees_every_picture_once_an_epoch(data: Prepared, tmp_path: Path) -> None:
    objective = made("classification", data, tmp_path)
    seen = np.concatenate([objective.rows(step, rank=0, world=1) for step in range(14)])
    assert sorted(seen) == list(data.split("train"))


def test_a_metric_batch_has_p_labels_with_k_pictures_also_in_each_process(data: Prepared, tmp_path: Path) -> None:
    for rank in range(2):
        labels = data.labels[made("contrastive", data, tmp_path).rows(3, rank=rank, world=2)].reshape(2, 3)
        assert all(len(set(some)) == 1 for some in labels.tolist())
        assert len(set(labels[:, 0])) == 2


def test_golden_rows_are_anchors_then_positives_of_their_label_then_negatives(data: Prepared, tmp_path: Path) -> None:
    inside, objective = 0, made("deep_ranking", data, tmp_path, out_of_class=0.5)
    for step in range(40):
        anchors, positives, negatives = data.labels[objective.rows(step, rank=0, world=1)].reshape(3, 4)
        assert (anchors == positives).all()
        inside += (anchors == negatives).sum()
    assert 0.35 < inside / 160 < 0.65


@torch.no_grad()
@pytest.mark.parametrize("dim", [128, 256])
def test_at_the_start_classification_costs_ln_of_the_labels_and_s_squared_over_2_dim(dim: int) -> None:
    torch.manual_seed(1)
    recipe = tiny(dim=dim)
    classifier = recipes.modules(recipe, dim=dim, n_labels=200)["classification"]
    shares = F.one_hot(torch.arange(20_000) % 200, 200).float()
    loss = float(classifier(unit(20_000, dim), shares))
    assert loss == pytest.approx(math.log(200) + recipe.scale**2 / (2 * dim), abs=0.05)


@torch.no_grad()
def test_a_metric_loss_and_the_hinge_stand_beside_classification_with_their_weights(
    data: Prepared, tmp_path: Path
) -> None:
    embeddings, labels = unit(12), torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    shares = F.one_hot(labels, 6).float()
    metric = made("contrastive", data, tmp_path, metric_weight=0.3)
    plain = metric.context.classifier(embeddings, shares) + 0.3 * metric.context.module(embeddings, labels)
    assert float(metric.loss(embeddings, labels, shares)) == pytest.approx(float(plain))
    for weight in (0.0, 0.7):
        golden = made("deep_ranking", data, tmp_path, margin=0.2, classification_weight=weight)
        expected = weight * float(golden.context.classifier(embeddings, shares))
        for i in range(4):
            a, p, n = (embeddings[i + 4 * part].tolist() for part in range(3))
            near, far = (sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) for b in (p, n))
            expected += max(0.0, 0.2 + near - far) / 4
        assert float(golden.loss(embeddings, labels, shares)) == pytest.approx(expected, rel=1e-5)


def test_figures_of_a_labelled_batch_are_those_of_three_loops() -> None:
    embeddings, labels = unit(9), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])
    found = pair_figures(embeddings, labels, margin=0.1)
    d = [[float((a - b).square().sum()) for b in embeddings] for a in embeddings]
    active, positive, negative = [], [], []
    for i in range(9):
        for j in range(9):
            if labels[i] != labels[j]:
                negative.append(d[i][j])
            elif i != j:
                positive.append(d[i][j])
                active += [d[i][j] + 0.1 > d[i][k] for k in range(9) if labels[k] != labels[i]]
    assert found["active_share"] == pytest.approx(sum(active) / len(active))
    assert found["d_positive"] == pytest.approx(sum(positive) / len(positive), rel=1e-5)
    assert found["d_negative"] == pytest.approx(sum(negative) / len(negative), rel=1e-5)


def test_a_batch_without_positives_or_without_negatives_has_no_figures() -> None:
    assert pair_figures(unit(3), torch.tensor([0, 1, 2]), margin=0.1) == {}
    assert pair_figures(unit(3), torch.tensor([1, 1, 1]), margin=0.1) == {}


@pytest.mark.parametrize("run", OLD["runs"])
def test_a_run_made_before_objectives_were_files_has_the_same_phases_and_finds_its_losses_in_its_checkpoint(
    run: str,
) -> None:
    """Of commit 0491442: what run.json said of the recipe, and the shapes that last.pt held of the losses."""
    old = OLD["runs"][run]
    recipe = recipes.from_json(OLD["recipe"] | {"phases": old["phases"]})
    assert json.loads(json.dumps(recipes.to_json(recipe)))["phases"] == old["phases"]
    state = recipes.modules(recipe, dim=16, n_labels=6).state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == old["losses"]
    assert list(state) == list(old["losses"])  # the optimiser knows parameters by their order
