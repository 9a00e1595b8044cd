"""Recipes and schedules: shares of time become steps, and every step knows its size and rate."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from pipeline.errors import UsageError
from training import recipes
from training.loop import schedule
from training.recipes import BASES, Phase, Recipe, recipe

TWO = Recipe(
    warmup=0.1,
    phases=(
        Phase("classification", 0.8, 0.2, ((0.5, 32), (1.0, 64)), 5e-4, 0.35),
        Phase("deep_ranking", 0.2, 0.02, ((1.0, 64),), 1e-3, 0.8),
    ),
)


def test_steps_follow_the_shares_of_phases_and_sizes() -> None:
    made = schedule.by_steps(TWO, 1000)
    assert [(s.phase, s.start, s.end, s.side) for s in made.stretches] == [
        (0, 0, 400, 32),
        (0, 400, 800, 64),
        (1, 800, 1000, 64),
    ]
    assert made.steps == 1000
    assert (made.bounds(0), made.bounds(1)) == ((0, 800), (800, 1000))


def test_every_step_knows_its_phase_and_size_and_each_phase_begins_once() -> None:
    made = schedule.by_steps(TWO, 1000)
    moments = [made.at(step) for step in range(made.steps)]
    assert [m.side for m in moments] == [32] * 400 + [64] * 600
    assert [m.phase for m in moments] == [0] * 800 + [1] * 200
    assert [step for step, m in enumerate(moments) if m.begins_phase] == [0, 800]


def test_the_rate_warms_up_in_a_line_then_falls_as_half_a_cosine_in_each_phase_anew() -> None:
    made = schedule.by_steps(TWO, 1000)
    for start, steps, peak in ((0, 800, 0.2), (800, 200, 0.02)):
        rising = steps // 10
        for i in range(steps):
            here = peak * (i + 1) / rising
            if i >= rising:
                here = peak * (1 + math.cos(math.pi * (i - rising) / (steps - rising))) / 2
            assert made.at(start + i).lr == pytest.approx(here)
        assert max(made.at(start + i).lr for i in range(steps)) == pytest.approx(peak)
        assert 0 < made.at(start + steps - 1).lr < 0.01 * peak


def test_by_time_a_step_costs_as_much_as_its_area() -> None:
    """100 s at 0.01 s a step of 32 px: 40 s make 4,000 steps of 32 px, and 60 s make 1,500 of 64 px, four times as dear."""
    made = schedule.by_time(TWO, 100, paces={0: schedule.Pace(0.01)})
    assert [(s.start, s.end, s.side) for s in made.stretches] == [(0, 4000, 32), (4000, 5000, 64), (5000, 5500, 64)]
    seconds = sum(0.01 * (made.at(step).side / 32) ** 2 for step in range(made.steps))
    assert seconds == pytest.approx(100)
    assert made.cost(3990, 4010) == 10 * 32**2 + 10 * 64**2
    assert made.cost(0, made.steps) == pytest.approx(100 / 0.01 * 32**2)


@pytest.mark.parametrize(("total", "head"), [(7, 1), (1000, 150), (2000, 300), (100_000, 300)])
def test_the_steps_of_epochs_are_those_of_all_phases_and_a_head_takes_no_more_than_it_needs(
    total: int, head: int
) -> None:
    made = schedule.by_steps(recipe("cpu", loss="deep_ranking", head_only=True, head_steps=300), total)
    assert made.steps == pytest.approx(total, abs=1)
    assert made.bounds(1) == (made.steps - head, made.steps)


@pytest.mark.parametrize("minutes", [1, 3, 10, 100])
def test_minutes_are_those_of_all_phases_with_what_a_head_does_before_its_first_step(minutes: float) -> None:
    made = recipe("cpu", loss="deep_ranking", head_only=True, head_steps=1000)
    paces = {0: schedule.Pace(0.2), 1: schedule.Pace(0.05, before=20)}
    plan = schedule.by_time(made, 60 * minutes, paces=paces)
    start, end = plan.bounds(1)
    seconds = 20 + 0.05 * (end - start) + sum(0.2 * (plan.at(step).side / 32) ** 2 for step in range(start))
    assert seconds == pytest.approx(60 * minutes, rel=0.01)
    assert end - start == min(1000, round(0.15 * (60 * minutes - 20) / 0.05))


def test_a_phase_without_time_has_its_own_steps_as_runs_of_before_say_them() -> None:
    made = recipe("cpu", loss="deep_ranking", head_only=True, head_steps=300)
    old = dataclasses.replace(made.phases[0], time=1.0), dataclasses.replace(made.phases[1], time=0.0)
    plan = schedule.by_steps(dataclasses.replace(made, phases=old), 1000)
    assert (plan.bounds(0), plan.bounds(1)) == ((0, 1000), (1000, 1300))


def test_every_stretch_has_a_step_at_least() -> None:
    for made in (schedule.by_steps(TWO, 0), schedule.by_time(TWO, 1e-6, paces={0: schedule.Pace(1)})):
        assert [s.end - s.start for s in made.stretches] == [1, 1, 1]
        assert all(made.at(step).lr > 0 for step in range(3))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("loss", ["classification", "deep_ranking", "multi_similarity"])
def test_a_recipe_comes_back_from_json_as_it_was(base: str, loss: str) -> None:
    made = recipe(base, loss=loss, seed=3, dim=32)
    assert recipes.from_json(json.loads(json.dumps(recipes.to_json(made)))) == made
    assert sum(phase.time for phase in made.phases) == pytest.approx(1)
    assert made.phases[0].objective == "classification"
    assert made.phases[-1].objective == loss


def test_what_is_asked_differs_from_the_recipe_and_the_rest_stays() -> None:
    usual, made = recipe("cpu"), recipe("cpu", lr=0.1, batch_size=32)
    assert (made.batch_size, usual.batch_size) == (32, 128)
    assert [two.lr / one.lr for two, one in zip(made.phases, usual.phases, strict=True)] == pytest.approx([0.5, 0.5])
    assert made.phases[0].lr == 0.1
    assert made.backbone == usual.backbone == "dr10"
    assert recipe("gpu").backbone == "dr18"


def test_a_share_of_0_leaves_classification_out_and_1_the_other_loss() -> None:
    for share, objective in ((0, "deep_ranking"), (1, "classification")):
        made = recipe("gpu", classification_share=share, head_only=False)
        assert [phase.objective for phase in made.phases] == [objective]
    made = recipe("cpu", classification_share=0, head_only=True)
    assert [(phase.objective, phase.head_only) for phase in made.phases] == [("deep_ranking", True)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"base": "tpu"}, r"unknown recipe 'tpu'; choose from cpu, gpu, paper"),
        (
            {"base": "cpu", "loss": "arcface"},
            r"unknown loss 'arcface'; choose from cat, classification, deep_ranking, reconstruction, siam, siam_cat, siam_cat_cos, contrastive",
        ),
        ({"base": "cpu", "classification_share": 1.5}, r"classification share 1.5 is not between 0 and 1"),
        (
            {"loss": "multi_similarity", "margin": 0.2},
            r"multi_similarity has no margin; its options are alpha, beta, base",
        ),
        ({"loss": "contrastive", "miner": "hardest"}, r"contrastive has no miner; its options are margin$"),
        (
            {"loss": "classification", "out_of_class": 0.2},
            r"classification has no out_of_class; its options are \(none\)",
        ),
        ({"loss": "siam", "margin": 0.2}, r"siam has no margin; its options are square_margin, same_share"),
        ({"loss": "cat", "square_margin": 1.0}, r"cat has no square_margin; its options are same_share"),
        ({"loss": "triplet_hinge:margin=0.1", "margin": 0.2}, r"triplet_hinge: margin is given twice"),
        ({"loss": "deep_ranking:margin=wide"}, r"deep_ranking: margin is float, not 'wide'"),
        ({"loss": "deep_ranking:gap=1"}, r"deep_ranking has no option 'gap'; its options are .*margin, "),
        ({"loss": "triplet_hinge:margin=-1"}, r"margin is a number from 0 on, not -1"),
        ({"loss": "deep_ranking", "margin": math.nan}, r"margin is a number from 0 on, not nan"),
        ({"loss": "siam", "head_only": True}, r"siam trains the whole network from its first step"),
        ({"loss": "classification", "classification_share": 0.5}, r"classification has no other loss after it"),
        ({"loss": "deep_ranking", "base": "gpu", "head_steps": 5}, r"no phase of the head alone; see --tune head"),
    ],
)
def test_a_recipe_that_there_is_not_is_said_in_a_sentence(asked: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        recipe(**{"base": "cpu"} | asked)


@pytest.mark.parametrize(
    ("loss", "margin", "kept"),
    [
        ("triplet_hinge", None, "triplet_hinge"),
        ("triplet_hinge", 0.25, "triplet_hinge:margin=0.25"),
        ("contrastive", 0.25, "contrastive:margin=0.25"),
        ("proxy_anchor", 0.25, "proxy_anchor:margin=0.25"),
        ("deep_ranking", 0.25, "deep_ranking"),
        ("deep_ranking:margin=0.25", None, "deep_ranking"),
        ("multi_similarity", None, "multi_similarity"),
    ],
)
def test_the_margin_that_run_json_says_is_the_one_that_the_loss_has(loss: str, margin: float | None, kept: str) -> None:
    made = recipe("cpu", loss=loss, **{} if margin is None else {"margin": margin})
    assert made.phases[-1].objective == kept
    module = recipes.modules(made, dim=8, n_labels=4)[made.phases[-1].name]
    if kept.startswith("deep_ranking"):
        assert made.margin == 0.25
    elif kept.startswith("contrastive"):
        assert module.neg_margin == pytest.approx(made.margin**2)
    else:
        assert getattr(module, "margin", 0.0) == made.margin == (margin or {"triplet_hinge": 0.1}.get(loss, 0.0))


def test_a_miner_is_written_into_its_loss() -> None:
    made = recipe("cpu", loss="triplet_hinge", miner="hardest")
    assert recipes.modules(made, dim=8, n_labels=4)["triplet_hinge"].miner == "hardest"
    with pytest.raises(UsageError, match="not one of all, uniform, semi_hard, hardest, random_hard"):
        recipes.modules(recipe("cpu", loss="triplet_hinge", miner="hard"), dim=8, n_labels=4)
