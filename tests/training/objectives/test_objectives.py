"""What a phase learns from: the rows of a step, over one process or several, and figures as a child would count them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training.objectives import objectives
from training.recipes import Phase, Recipe
from training.sampling.triplets import TripletSampler

ROWS = np.arange(100, 160)  # rows of the prepared pictures: six labels, ten each
LABELS = np.repeat(np.arange(6), 10)


def made(name: str, **facts) -> objectives.Objective:
    phase = Phase(name, 1.0, 0.1, ((1.0, 16),), 0.0, 1.0)
    recipe = Recipe(**({"dim": 8, "batch_size": 12, "labels_per_batch": 4, "phases": (phase,)} | facts))
    torch.manual_seed(0)
    kept = objectives.modules(recipe, dim=8, n_labels=6)
    relevance = [np.abs(np.subtract.outer(np.arange(10), np.arange(10))) / 10 for _ in range(6)]
    members = [ROWS[label == LABELS] for label in range(6)]
    sampler = TripletSampler(relevance, members, out_of_class=0.5, cap=0.5, gap=0.1)
    return objectives.objective(phase, recipe, kept, train=ROWS, labels=LABELS, sampler=sampler)


def unit(n: int, dim: int = 8, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("name", ["classification", "multi_similarity", "deep_ranking"])
def test_the_processes_rows_together_are_the_batch_of_one_process(name: str) -> None:
    objective = made(name)
    for step in (0, 1, 7):
        alone = objective.rows(step, rank=0, world=1)
        parts = [objective.rows(step, rank=rank, world=2) for rank in range(2)]
        assert sorted(alone) == sorted(np.concatenate(parts))
        assert len(parts[0]) == len(parts[1]) == 6
        assert set(alone) <= set(ROWS)
        np.testing.assert_array_equal(alone, objective.rows(step, rank=0, world=1))


def test_classification_sees_every_picture_once_an_epoch() -> None:
    seen = np.concatenate([made("classification").rows(step, rank=0, world=1) for step in range(5)])
    assert sorted(seen) == list(ROWS)


def test_a_metric_batch_has_p_labels_with_k_pictures_also_in_each_process() -> None:
    for rank in range(2):
        rows = made("contrastive").rows(3, rank=rank, world=2)
        labels = LABELS[rows - 100].reshape(2, 3)
        assert all(len(set(some)) == 1 for some in labels.tolist())
        assert len(set(labels[:, 0])) == 2


def test_golden_rows_are_anchors_then_positives_of_their_label_then_negatives() -> None:
    inside = 0
    for step in range(40):
        anchors, positives, negatives = LABELS[made("deep_ranking").rows(step, rank=0, world=1) - 100].reshape(3, 4)
        assert (anchors == positives).all()
        inside += (anchors == negatives).sum()
    assert 0.35 < inside / 160 < 0.65


@torch.no_grad()
@pytest.mark.parametrize("dim", [128, 256])
def test_at_the_start_classification_costs_ln_of_the_labels_and_s_squared_over_2_dim(dim: int) -> None:
    torch.manual_seed(1)
    phase = Phase("classification", 1.0, 0.1, ((1.0, 16),), 0.0, 1.0)
    recipe = Recipe(dim=dim, phases=(phase,))
    kept = objectives.modules(recipe, dim=dim, n_labels=200)
    objective = objectives.objective(phase, recipe, kept, train=ROWS, labels=LABELS, sampler=None)
    labels = torch.arange(20_000) % 200
    shares = F.one_hot(labels, 200).float()
    loss = float(objective.loss(unit(20_000, dim), labels, shares))
    assert loss == pytest.approx(math.log(200) + recipe.scale**2 / (2 * dim), abs=0.05)


@torch.no_grad()
def test_a_metric_loss_and_the_hinge_stand_beside_classification_with_their_weights() -> None:
    embeddings, labels = unit(12), torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    shares = F.one_hot(labels, 6).float()
    metric = made("contrastive", metric_weight=0.3)
    plain = metric.classifier(embeddings, shares) + 0.3 * metric.metric(embeddings, labels)
    assert float(metric.loss(embeddings, labels, shares)) == pytest.approx(float(plain))
    for weight in (0.0, 0.7):
        golden = made("deep_ranking", margin=0.2, classification_weight=weight)
        expected = weight * float(golden.classifier(embeddings, shares))
        for i in range(4):
            a, p, n = (embeddings[i + 4 * part].tolist() for part in range(3))
            near, far = (sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) for b in (p, n))
            expected += max(0.0, 0.2 + near - far) / 4
        assert float(golden.loss(embeddings, labels, shares)) == pytest.approx(expected, rel=1e-5)


def test_figures_of_a_labelled_batch_are_those_of_three_loops() -> None:
    embeddings, labels = unit(9), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])
    found = objectives.pair_figures(embeddings, labels, margin=0.1)
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
    assert objectives.pair_figures(unit(3), torch.tensor([0, 1, 2]), margin=0.1) == {}
    assert objectives.pair_figures(unit(3), torch.tensor([1, 1, 1]), margin=0.1) == {}
