"""A phase that trains the last layer alone: its length, its samplers, and that it can be cut off."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import cut_at, figures, new, tiny, trained

from training.data.prepared import Prepared
from training.loop import loop, start
from training.recipes import Phase


@pytest.fixture(autouse=True)
def _small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of figures every few steps."""
    monkeypatch.setattr(loop, "RECORD", 10)


def test_a_phase_of_the_head_alone_moves_nothing_else_and_can_be_cut_off_too(data: Prepared) -> None:
    recipe = tiny()
    head = Phase("deep_ranking", 0.0, 0.05, ((1.0, 16),), 1e-3, 1.0, head_only=True, steps=20, batch=48)
    recipe = dataclasses.replace(recipe, phases=(*recipe.phases, head))
    whole, run = trained("whole", data, recipe, steps=10), new("cut", data, recipe, steps=10)
    assert whole.about()["steps"] == 30
    with pytest.raises(KeyboardInterrupt):
        start.go_on(run, device="cpu", checkpoint_seconds=0, progress=cut_at(20))
    assert start.go_on(run, device="cpu") == "finished"
    assert figures(run) == figures(whole)
    before, after = load_file(run.root / "classification.safetensors"), load_file(run.root / "deep_ranking.safetensors")
    for name, tensor in before.items():
        same = torch.allclose(tensor, after[name], rtol=1e-5, atol=1e-6)  # averaging rounds
        assert same == (not name.startswith(("head.weight", "norm.running"))), name


@pytest.mark.parametrize("head_only", [False, True])
def test_a_streamed_run_goes_on_with_the_very_figures_it_would_have_had(data: Prepared, head_only: bool) -> None:
    head = Phase("deep_ranking:capacity=6", 0.0, 0.05, ((1.0, 16),), 1e-3, 1.0, head_only=head_only, steps=20, batch=48)
    recipe = tiny(sampler="reservoir")
    recipe = dataclasses.replace(recipe, phases=(*recipe.phases, head))
    whole, run = trained("whole", data, recipe, steps=10), new("cut", data, recipe, steps=10)
    with pytest.raises(KeyboardInterrupt):
        start.go_on(run, device="cpu", checkpoint_seconds=0, progress=cut_at(20))
    assert start.go_on(run, device="cpu") == "finished"
    assert figures(run) == figures(whole)
    assert whole.about()["relevance"]["gap"] > 0
    assert np.load(run.root / "semantic.npy", mmap_mode="r").shape == (168, 16)


def test_a_run_of_the_head_alone_needs_no_length_and_has_its_own_steps(data: Prepared) -> None:
    head = Phase("deep_ranking", 1.0, 0.05, ((1.0, 16),), 1e-3, 1.0, head_only=True, steps=20, batch=48)
    run = start.new_run("head", data, tiny(phases=(head,)), minutes=0, epochs=0, init="", command=[])
    assert start.go_on(run, device="cpu") == "finished"
    assert run.about()["steps"] == 20
    few = start.new_run("few", data, tiny(phases=(head,)), minutes=0, epochs=1, init="", command=[])
    assert start.go_on(few, device="cpu") == "finished"
    assert few.about()["steps"] == 168 // 24


def test_a_run_of_minutes_times_its_head_too_and_that_leaves_no_trace_either(data: Prepared) -> None:
    head = Phase("deep_ranking", 0.3, 0.05, ((1.0, 16),), 1e-3, 1.0, head_only=True, steps=20, batch=48)
    whole = tiny().phases[0]
    recipe = tiny(phases=(dataclasses.replace(whole, time=0.7), head))
    run = start.new_run("timed", data, recipe, minutes=0.02, epochs=0, init="", command=[])
    assert start.go_on(run, device="cpu") == "finished"
    parts = run.about()["schedule"]
    assert 1 <= parts[1]["end"] - parts[1]["start"] <= 20
    same = new("same", data, recipe, steps=run.about()["steps"])
    same.update(schedule=parts)  # so that nothing is timed
    assert start.go_on(same, device="cpu") == "finished"
    assert figures(same) == figures(run)
    assert (same.root / "semantic.npy").read_bytes() == (run.root / "semantic.npy").read_bytes()
