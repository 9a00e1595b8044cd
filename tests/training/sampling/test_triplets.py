"""The paper's sampling laws, counted in many draws and compared with laws computed in plain loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from pipeline.errors import UsageError
from training.sampling.reservoirs import Reservoirs
from training.sampling.triplets import TripletSampler, uniform

SIZES = (5, 3, 4, 1)
CAP, GAP = 0.7, 0.2


def symmetric(n: int, seed: int) -> np.ndarray:
    r = np.random.default_rng(seed).random((n, n))
    return ((r + r.T) / 2).astype(np.float32)


RELEVANCE = [symmetric(n, seed) for seed, n in enumerate(SIZES)]
MEMBERS = [np.array([30, 10, 20, 50, 40]), np.array([1, 2, 3]), np.array([7, 5, 6, 8]), np.array([99])]
PLACE = {int(p): (c, i) for c, pictures in enumerate(MEMBERS) for i, p in enumerate(pictures)}


def r(a: int, b: int) -> float:
    (label, i), (_, j) = PLACE[a], PLACE[b]
    return float(RELEVANCE[label][i, j])


def label(picture: int) -> int:
    return PLACE[picture][0]


def mates(picture: int) -> list[int]:
    return [int(p) for p in MEMBERS[label(picture)] if p != picture]


def law(*, in_class: bool, weighted: bool = True) -> dict[tuple[int, int, int], float]:
    """P of every triplet: eq. 6, 7 and 8, a triplet without a negative given up; or all alike where the gap allows."""
    found: dict[tuple[int, int, int], float] = {}
    for q in PLACE:
        weights = {p: min(CAP, r(q, p)) if weighted else 1.0 for p in mates(q)}
        for p in weights:
            p_query = sum(r(q, m) for m in mates(q)) if weighted else 1.0
            p_pair = p_query * weights[p] / sum(weights.values())
            if in_class:
                negatives = {n: weights[n] for n in weights if n != p and r(q, p) - r(q, n) >= GAP}
            else:
                negatives = {n: 1.0 for n in PLACE if label(n) != label(q)}
            for n, weight in negatives.items():
                found[q, p, n] = p_pair * weight / sum(negatives.values())
    total = sum(found.values())
    return {triplet: share / total for triplet, share in found.items()}


def follows(drawn: np.ndarray, expected: dict[tuple[int, int, int], float]) -> float:
    """p-value of the draws under the law; fails on a triplet that the law excludes."""
    counts = Counter(map(tuple, drawn.tolist()))
    assert set(counts) <= set(expected)
    return chisquare([counts[t] for t in expected], [share * len(drawn) for share in expected.values()]).pvalue


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_exact_triplets_follow_equations_6_7_and_8(share: float) -> None:
    sampler = TripletSampler(RELEVANCE, MEMBERS, out_of_class=share, cap=CAP, gap=GAP)
    assert follows(sampler.sample(60_000, seed=1), law(in_class=not share)) > 0.01


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_weights_all_triplets_that_keep_the_gap_are_equally_likely(share: float) -> None:
    sampler = TripletSampler(RELEVANCE, MEMBERS, out_of_class=share, cap=CAP, gap=GAP, weighted=False)
    assert follows(sampler.sample(60_000, seed=1), law(in_class=not share, weighted=False)) > 0.01


def test_the_out_of_class_share_holds_and_no_in_class_triplet_is_below_the_gap() -> None:
    drawn = TripletSampler(RELEVANCE, MEMBERS, cap=CAP, gap=GAP).sample(20_000, seed=2).tolist()
    inside = [(q, p, n) for q, p, n in drawn if label(q) == label(n)]
    assert 1 - len(inside) / len(drawn) == pytest.approx(0.2, abs=0.01)
    assert min(r(q, p) - r(q, n) for q, p, n in inside) >= GAP
    assert all(label(q) == label(p) and len({q, p, n}) == 3 for q, p, n in drawn)


def test_the_same_seed_draws_the_same_and_another_step_does_not() -> None:
    sampler = TripletSampler(RELEVANCE, MEMBERS, cap=CAP, gap=GAP)
    assert sampler.sample(50, seed=(1, 7)).tolist() == sampler.sample(50, seed=(1, 7)).tolist()
    assert sampler.sample(50, seed=(1, 7)).tolist() != sampler.sample(50, seed=(1, 8)).tolist()


def test_without_a_gap_the_negative_is_still_another_picture() -> None:
    drawn = TripletSampler(RELEVANCE, MEMBERS, out_of_class=0, cap=CAP, gap=0).sample(2000, seed=0)
    assert all(len(set(triplet)) == 3 for triplet in drawn.tolist())


def test_the_diagonal_of_the_relevance_is_not_looked_at() -> None:
    heavy = [relevance + 9 * np.eye(len(relevance), dtype=np.float32) for relevance in RELEVANCE]
    light = [relevance * (1 - np.eye(len(relevance), dtype=np.float32)) for relevance in RELEVANCE]
    drawn = [TripletSampler(x, MEMBERS, cap=CAP, gap=GAP).sample(500, seed=0) for x in (heavy, light)]
    assert (drawn[0] == drawn[1]).mean() > 0.99  # a running sum may round to the next picture


def test_half_precision_keeps_the_gap_too() -> None:
    half = [relevance.astype(np.float16) for relevance in RELEVANCE]
    drawn = TripletSampler(half, MEMBERS, out_of_class=0, cap=CAP, gap=GAP).sample(2000, seed=0)
    for q, p, n in drawn.tolist():
        (c, i), (_, j), (_, k) = PLACE[q], PLACE[p], PLACE[n]
        assert np.float32(half[c][i, j]) - np.float32(half[c][i, k]) >= np.float32(GAP)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"gap": 2.0}, "take a smaller gap"),
        ({"out_of_class": 1.5}, "take one from 0 to 1"),
        ({"cap": 0.0}, "T_p is 0.0"),
    ],
)
def test_a_law_that_cannot_be_kept_is_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        TripletSampler(RELEVANCE, MEMBERS, **{"cap": CAP, "gap": GAP, **options}).sample(100, seed=0)


def test_relevance_that_allows_no_triplet_is_refused() -> None:
    with pytest.raises(UsageError, match="single label"):
        TripletSampler(RELEVANCE[:1], MEMBERS[:1], cap=CAP, gap=GAP)
    with pytest.raises(UsageError, match="positives need at least two"):
        TripletSampler([np.ones((1, 1))] * 2, [np.array([0]), np.array([1])], cap=CAP, gap=GAP)
    with pytest.raises(UsageError, match="below 0 or not finite"):
        TripletSampler([np.full((3, 3), np.nan)] * 2, [np.arange(3), np.arange(3, 6)], cap=CAP, gap=GAP)


# by chance alone


def test_uniform_triplets_are_all_equally_likely_given_the_anchor() -> None:
    labels = np.array([0, 1, 0, 2, 1, 0, 3])
    n = range(len(labels))
    possible = [
        (a, p, m) for a in n for p in n for m in n if a != p and labels[a] == labels[p] and labels[a] != labels[m]
    ]
    anchors = {a for a, _, _ in possible}
    law = {t: 1 / len(anchors) / sum(t[0] == other[0] for other in possible) for t in possible}
    assert follows(uniform(labels, 20_000, seed=0), law) > 0.01


def test_uniform_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="no positives"):
        uniform(np.arange(5), 10, seed=0)
    with pytest.raises(UsageError, match="no negatives"):
        uniform(np.zeros(5, int), 10, seed=0)


# reservoirs


def test_a_reservoir_of_one_keeps_a_picture_as_often_as_its_relevance_says() -> None:
    totals = np.array([1.0, 2.0, 0.5, 4.0, 0.0, 2.5])
    reservoirs = Reservoirs(1, seed=0)
    for stream in range(4000):  # 4,000 labels that see the same six pictures
        reservoirs.add(stream, np.arange(6), totals)
    counts = np.bincount([reservoirs.kept(stream)[0] for stream in range(4000)], minlength=6)
    assert counts[4] == 0
    assert chisquare(counts[totals > 0], 4000 * totals[totals > 0] / totals.sum()).pvalue > 0.01


def test_a_reservoir_does_not_care_how_the_stream_is_cut_and_stays_bounded() -> None:
    totals = np.random.default_rng(0).random(300) + 0.1
    whole, pieces = Reservoirs(20, seed=5), Reservoirs(20, seed=5)
    whole.add(0, np.arange(300), totals)
    for start in range(0, 300, 7):
        pieces.add(0, np.arange(start, min(start + 7, 300)), totals[start : start + 7])
        assert len(pieces.kept(0)) <= 20
    assert sorted(whole.kept(0).tolist()) == sorted(pieces.kept(0).tolist())


def test_tiny_relevance_does_not_make_all_keys_equal() -> None:
    reservoirs = Reservoirs(1, seed=0)
    for stream in range(500):
        reservoirs.add(stream, np.arange(2), np.array([1e-6, 3e-6]))
    assert np.mean([reservoirs.kept(stream)[0] for stream in range(500)]) == pytest.approx(0.75, abs=0.06)


def test_streamed_triplets_keep_the_gap_and_the_share() -> None:
    """600 pictures a label on a line: r falls with the distance of their places."""
    place = np.tile(np.linspace(0, 1, 600), 3)

    def relevance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.maximum(0, 1 - 2 * np.abs(place[a] - place[b]))

    reservoirs = Reservoirs(100, seed=0)
    for c in range(3):
        pictures = np.arange(600 * c, 600 * (c + 1))
        totals = np.array([relevance(np.full(600, p), pictures).sum() - 1 for p in pictures])
        reservoirs.add(c, pictures, totals)
    drawn = reservoirs.sample(4000, relevance, cap=0.6, gap=0.2, seed=1)
    q, p, n = drawn.T
    inside = q // 600 == n // 600
    assert (q // 600 == p // 600).all()
    assert (q != p).all()
    assert 1 - inside.mean() == pytest.approx(0.2, abs=0.02)
    assert (relevance(q, p) - relevance(q, n))[inside].min() >= 0.2


@pytest.mark.parametrize(("cap", "heavy"), [(1.0, 4 / 5), (0.01, 1 / 2)])
def test_streamed_queries_and_positives_follow_relevance_and_its_cap(cap: float, heavy: float) -> None:
    """r = wᵢ wⱼ: an even picture weighs 1, an odd one 1/4, so four fifths of a query's relevance are in the even ones.

    A cap below every r leaves no difference. Half of all pictures are even.
    """
    weight = np.where(np.arange(20_000) % 2, 0.25, 1.0)
    reservoirs = Reservoirs(1000, seed=0)
    for c in range(2):
        pictures = np.arange(10_000 * c, 10_000 * (c + 1))
        reservoirs.add(c, pictures, weight[pictures] * (weight[pictures].sum() - weight[pictures]))
    q, p, _ = reservoirs.sample(8000, lambda a, b: weight[a] * weight[b], cap=cap, gap=0, out_of_class=1, seed=1).T
    assert (weight[q] == 1).mean() == pytest.approx(4 / 5, abs=0.04)
    assert (weight[p] == 1).mean() == pytest.approx(heavy, abs=0.04)


def test_reservoirs_that_hold_one_picture_have_no_positives() -> None:
    reservoirs = Reservoirs(1, seed=0)
    for c in range(2):
        reservoirs.add(c, np.arange(3 * c, 3 * c + 3), np.ones(3))
    with pytest.raises(UsageError, match="no reservoir holds two"):
        reservoirs.sample(10, lambda a, b: np.ones(len(a)), cap=1, gap=0, seed=0)


def test_a_gap_that_no_streamed_pair_keeps_is_refused() -> None:
    reservoirs = Reservoirs(5, seed=0)
    for c in range(2):
        reservoirs.add(c, np.arange(5 * c, 5 * c + 5), np.full(5, 4.0))
    with pytest.raises(UsageError, match="smaller gap"):
        reservoirs.sample(50, lambda a, b: np.ones(len(a)), out_of_class=0, cap=1, gap=0.5, retries=5, seed=0)
