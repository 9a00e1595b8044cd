"""Every loss against a plain loop, at its first value, and under what must not change it."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline import plugins
from pipeline.errors import UsageError
from training.losses import _miners as miners
from training.losses.triplet_hinge import distances, hinge


def unit(n: int, dim: int, *, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def squared(a: Tensor, b: Tensor) -> float:
    return sum((x - y) ** 2 for x, y in zip(a.tolist(), b.tolist(), strict=True))


def all_triplets(labels: list[int]) -> list[tuple[int, int, int]]:
    n = range(len(labels))
    return [(a, p, m) for a in n for p in n for m in n if a != p and labels[a] == labels[p] and labels[a] != labels[m]]


NAMES = plugins.available("training.losses")
EMBEDDINGS = unit(12, 6, seed=0)
LABELS = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 0])


def make(name: str, *, dim: int = 6, n_labels: int = 4, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return plugins.build("training.losses", name, dim=dim, n_labels=n_labels, **options)


# the hinge


def test_the_hinge_is_the_papers_formula() -> None:
    a, p, n = unit(20, 8, seed=1), unit(20, 8, seed=2), unit(20, 8, seed=3)
    slow = [max(0.0, 0.3 + squared(x, y) - squared(x, z)) for x, y, z in zip(a, p, n, strict=True)]
    assert min(slow) == 0 < max(slow)
    assert hinge(a, p, n, margin=0.3).tolist() == pytest.approx(slow, abs=1e-6)


def test_distances_on_the_unit_sphere_are_two_minus_two_cosines() -> None:
    a, p, n = unit(20, 8, seed=1), unit(20, 8, seed=2), unit(20, 8, seed=3)
    d_positive, d_negative = distances(a, p, n)
    torch.testing.assert_close(d_positive, 2 - 2 * (a * p).sum(dim=1))
    torch.testing.assert_close(d_negative, 2 - 2 * (a * n).sum(dim=1))


def test_the_hinge_has_the_gradient_that_differences_give() -> None:
    triplet = [unit(5, 4, seed=s, dtype=torch.float64).requires_grad_() for s in (1, 2, 3)]
    assert hinge(*triplet, margin=0.5).gt(0.01).any()
    assert torch.autograd.gradcheck(lambda a, p, n: hinge(a, p, n, margin=0.5), triplet)


def test_a_satisfied_triplet_has_no_gradient_and_an_active_one_has() -> None:
    anchors = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    positives = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    negatives = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    hinge(anchors, positives, negatives, margin=0.1).sum().backward()
    assert anchors.grad is not None
    assert anchors.grad[0].tolist() == [0, 0]
    assert anchors.grad[1].tolist() == [2, -2]  # 2 (negative − positive)


def test_equal_embeddings_pin_the_hinge_at_the_margin() -> None:
    same = unit(1, 16, seed=0).expand(30, 16)
    assert hinge(same, same, same, margin=0.125).mean().item() == 0.125
    labels = torch.arange(30) % 5
    assert make("triplet_hinge", margin=0.125, miner="uniform")(same, labels).item() == 0.125


def test_random_embeddings_start_the_hinge_slightly_above_the_margin() -> None:
    value = hinge(*(unit(20_000, 256, seed=s) for s in (1, 2, 3)), margin=0.2).mean().item()
    assert 0.2 < value < 0.22


def test_without_a_triplet_the_hinge_is_zero_with_zero_gradient() -> None:
    embeddings = EMBEDDINGS.clone().requires_grad_()
    value = make("triplet_hinge")(embeddings, torch.arange(12))
    value.backward()
    assert value.item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


# the library's losses against loops


def test_contrastive_is_productnets_formula() -> None:
    positive, negative = [], []
    for i in range(12):
        for j in range(12):
            d = squared(EMBEDDINGS[i], EMBEDDINGS[j])
            if i != j:
                same = LABELS[i] == LABELS[j]
                (positive if same else negative).append(d if same else max(0.0, 1.5**2 - d))
    above = [value for value in negative if value > 0]
    slow = sum(positive) / len(positive) + sum(above) / len(above)
    assert len(above) < len(negative)
    assert make("contrastive", margin=1.5)(EMBEDDINGS, LABELS).item() == pytest.approx(slow, abs=1e-6)


def test_multi_similarity_is_its_papers_formula() -> None:
    alpha, beta, base, epsilon = 2, 50, 0.5, 0.1
    cosine = (EMBEDDINGS @ EMBEDDINGS.T).tolist()
    total, mined = 0.0, 0
    for i in range(12):
        positive = [cosine[i][j] for j in range(12) if j != i and LABELS[j] == LABELS[i]]
        negative = [cosine[i][j] for j in range(12) if LABELS[j] != LABELS[i]]
        kept_positive = [c for c in positive if c - epsilon < max(negative)]
        kept_negative = [c for c in negative if c + epsilon > min(positive)]
        mined += len(kept_positive) + len(kept_negative)
        total += math.log(1 + sum(math.exp(-alpha * (c - base)) for c in kept_positive)) / alpha
        total += math.log(1 + sum(math.exp(beta * (c - base)) for c in kept_negative)) / beta
    assert mined < 12 * 11
    assert make("multi_similarity")(EMBEDDINGS, LABELS).item() == pytest.approx(total / 12, abs=1e-5)


def test_proxy_anchor_is_its_papers_formula() -> None:
    loss, alpha, margin = make("proxy_anchor"), 32, 0.1
    labels = LABELS.clamp(max=2)  # label 3 has a proxy and no picture
    cosine = (EMBEDDINGS @ F.normalize(loss.proxies).T).tolist()
    positive = negative = 0.0
    for label in range(4):
        pulls = [math.exp(-alpha * (cosine[i][label] - margin)) for i in range(12) if labels[i] == label]
        pushes = [math.exp(alpha * (cosine[i][label] + margin)) for i in range(12) if labels[i] != label]
        positive += math.log(1 + sum(pulls))
        negative += math.log(1 + sum(pushes))
    assert loss(EMBEDDINGS, labels).item() == pytest.approx(positive / 3 + negative / 4, abs=1e-5)


def test_cosine_classification_is_smoothed_cross_entropy_of_cosines() -> None:
    loss = make("cosine_classification", scale=4, label_smoothing=0.1)
    weight = F.normalize(loss.weight)
    total = 0.0
    for embedding, label in zip(EMBEDDINGS, LABELS.tolist(), strict=True):
        logits = [4 * sum((embedding * w).tolist()) for w in weight]
        log_sum = math.log(sum(map(math.exp, logits)))
        shares = [0.1 / 4 + 0.9 * (other == label) for other in range(4)]
        total += sum(share * (log_sum - logit) for share, logit in zip(shares, logits, strict=True))
    assert loss(EMBEDDINGS, LABELS).item() == pytest.approx(total / 12, abs=1e-5)
    assert loss(EMBEDDINGS, F.one_hot(LABELS, 4).float()).item() == pytest.approx(total / 12, abs=1e-5)


# at the start of training


@pytest.mark.parametrize(("dim", "start"), [(128, 6.298), (256, 5.798)])
def test_cosine_classification_starts_at_ln_labels_plus_half_the_logits_variance(dim: int, start: float) -> None:
    torch.manual_seed(0)
    loss = make("cosine_classification", dim=dim, n_labels=200)
    assert math.log(200) + 16**2 / (2 * dim) == pytest.approx(start, abs=1e-3)
    assert loss(unit(4000, dim, seed=1), torch.arange(4000) % 200).item() == pytest.approx(start, abs=0.05)


def test_multi_similarity_starts_where_all_cosines_are_near_zero() -> None:
    """Three positives an anchor at cosine 0: ln(1 + 3 e^(2 · 0.5)) / 2; negatives that far below 0.5 add nothing."""
    loss = make("multi_similarity", dim=128, n_labels=200)
    start = math.log(1 + 3 * math.e) / 2
    assert loss(unit(128, 128, seed=0), torch.arange(128) // 4).item() == pytest.approx(start, abs=0.05)


# what every loss keeps


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_a_batch_does_not_matter(name: str) -> None:
    loss = make(name)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert loss(EMBEDDINGS, LABELS).item() == pytest.approx(loss(EMBEDDINGS[order], LABELS[order]).item(), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_of_descent_make_it_smaller(name: str) -> None:
    loss = make(name)
    raw = EMBEDDINGS.clone().requires_grad_()
    first = loss(F.normalize(raw), LABELS).item()
    optimizer = torch.optim.SGD([raw, *loss.parameters()], lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        loss(F.normalize(raw), LABELS).backward()
        optimizer.step()
    assert loss(F.normalize(raw), LABELS).item() < first


@pytest.mark.parametrize("name", NAMES)
def test_options_given_as_text_are_those_of_the_type(name: str) -> None:
    option = "scale" if name == "cosine_classification" else "alpha" if name == "multi_similarity" else "margin"
    as_text, as_number = make(f"{name}:{option}=0.7"), make(name, **{option: 0.7})
    assert as_text(EMBEDDINGS, LABELS).item() == as_number(EMBEDDINGS, LABELS).item()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            "triplet",
            "unknown loss 'triplet'; choose from contrastive, cosine_classification, multi_similarity, proxy_anchor, "
            "triplet_hinge, or add training/losses/triplet.py",
        ),
        ("triplet_hinge:gap=1", "no option 'gap'; its options are margin, miner"),
        ("triplet_hinge:dim=4", "no option 'dim'; its options are margin, miner"),
        ("triplet_hinge:miner=hard", "not one of all, uniform, semi_hard, hardest, random_hard"),
        ("contrastive:margin=wide", "margin is float, not 'wide'"),
    ],
)
def test_what_is_misspelt_is_answered_with_the_choices(spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make(spec)


# miners


def mined(name: str, *, margin: float = 0.3, seed: int = 0) -> list[tuple[int, int, int]]:
    generator = torch.Generator().manual_seed(seed)
    rows = miners.mine(name, EMBEDDINGS, LABELS, margin=margin, generator=generator)
    return list(zip(*(row.tolist() for row in rows), strict=True))


def slack(a: int, p: int, n: int) -> float:
    return squared(EMBEDDINGS[a], EMBEDDINGS[n]) - squared(EMBEDDINGS[a], EMBEDDINGS[p])


def test_semi_hard_is_every_triplet_in_order_but_within_the_margin() -> None:
    slow = [t for t in all_triplets(LABELS.tolist()) if 0 < slack(*t) <= 0.3]
    assert len(slow) > 0
    assert sorted(mined("semi_hard")) == slow


def test_all_is_every_triplet_that_costs_something() -> None:
    slow = [t for t in all_triplets(LABELS.tolist()) if slack(*t) < 0.3]
    assert 0 < len(slow) < len(all_triplets(LABELS.tolist()))
    assert sorted(mined("all")) == slow


def test_hardest_is_the_farthest_positive_and_the_nearest_negative_of_each_anchor() -> None:
    triplets = all_triplets(LABELS.tolist())
    slow = [min((t for t in triplets if t[0] == anchor), key=lambda t: slack(*t)) for anchor in range(12)]
    assert sorted(mined("hardest")) == slow


def test_uniform_takes_every_pair_once_and_all_negatives_alike() -> None:
    triplets = all_triplets(LABELS.tolist())
    first = mined("uniform")
    assert sorted((a, p) for a, p, _ in first) == sorted({(a, p) for a, p, _ in triplets})
    drawn = [t for seed in range(200) for t in mined("uniform", seed=seed)]
    assert set(drawn) <= set(triplets)
    of_one_pair = [n for a, p, n in drawn if (a, p) == (0, 1)]
    counts = [of_one_pair.count(n) for n in range(3, 11)]  # 200 draws among 8 negatives: 25 each, sd 4.7
    assert sum(counts) == 200
    assert all(8 < count < 45 for count in counts)


def test_random_hard_takes_one_violating_negative_of_every_pair_that_has_one() -> None:
    violating = [t for t in all_triplets(LABELS.tolist()) if slack(*t) < 0.3]
    found = mined("random_hard")
    assert set(found) <= set(violating)
    assert sorted((a, p) for a, p, _ in found) == sorted({(a, p) for a, p, _ in violating})
    assert mined("random_hard", seed=1) != found
    assert mined("random_hard") == found


@pytest.mark.parametrize("name", miners.NAMES)
def test_a_batch_without_positives_or_without_negatives_has_no_triplets(name: str) -> None:
    for labels in (torch.arange(12), torch.zeros(12, dtype=torch.int64)):
        assert [len(row) for row in miners.mine(name, EMBEDDINGS, labels, margin=0.2)] == [0, 0, 0]


def test_an_unknown_miner_is_answered_with_the_choices() -> None:
    with pytest.raises(UsageError, match="all, uniform, semi_hard, hardest, random_hard"):
        miners.mine("easy", EMBEDDINGS, LABELS, margin=0.2)
