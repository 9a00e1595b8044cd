"""What every objective and every loss that `--loss` takes keeps; a new file is tested by being there."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import begun, figures, new, photos, prepared_stripes, tiny, trained
from torch.nn import functional as F

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.networks import model_folder
from training import recipes
from training.data.prepared import Prepared
from training.loop import loop, start
from training.recipes import Phase, Recipe

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = recipes.losses()


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_stripes(photos(tmp_path_factory.mktemp("stripes")), tmp_path_factory.mktemp("prepared"))


def of(name: str) -> Recipe:
    return tiny(objective=name, labels_per_batch=6)


def test_a_card_says_what_it_is(name: str) -> None:
    kind = recipes.OBJECTIVES if name in plugins.available(recipes.OBJECTIVES) else recipes.LOSSES
    card = plugins.card(kind, name)
    assert card.summary
    assert not card.summary.endswith(".")


@pytest.mark.parametrize("base", recipes.BASES)
def test_a_recipe_has_a_phase_for_it_and_run_json_keeps_that(name: str, base: str) -> None:
    for head_only in {False, recipes.objective(name).tunes_head}:
        made = recipes.recipe(base, loss=name, head_only=head_only)
        assert made.phases[-1].name == name
        assert made.phases[-1].head_only == head_only
        assert sum(phase.time for phase in made.phases) == pytest.approx(1)
        assert recipes.from_json(json.loads(json.dumps(recipes.to_json(made)))) == made


def test_an_option_that_it_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no option 'no_such_thing'"):
        recipes.modules(of(f"{name}:no_such_thing=1"), dim=16, n_labels=6)


def test_a_step_takes_training_pictures_by_its_number_alone(name: str, data: Prepared, tmp_path: Path) -> None:
    recipe, train = of(name), set(data.split("train"))
    recipes.objective(name).check(data, data.split("train"), recipe, batch=24)
    first, again = (begun(recipe, data, tmp_path) for _ in range(2))
    for step in (0, 3):
        rows = first.rows(step, rank=0, world=1)
        assert set(rows) <= train
        assert 0 < len(rows) <= recipe.batch_size
        np.testing.assert_array_equal(rows, again.rows(step, rank=0, world=1))
    assert (first.rows(0, rank=0, world=1) != first.rows(3, rank=0, world=1)).any()


def test_two_processes_share_a_batch_evenly(name: str, data: Prepared, tmp_path: Path) -> None:
    objective = begun(of(name), data, tmp_path)
    parts = [objective.rows(2, rank=rank, world=2) for rank in (0, 1)]
    assert 0 < len(parts[0]) == len(parts[1])
    assert (parts[0] != parts[1]).any()


def test_its_loss_is_one_number_whose_gradient_reaches_embeddings_and_parameters(
    name: str, data: Prepared, tmp_path: Path
) -> None:
    objective = begun(of(name), data, tmp_path)
    labels = torch.from_numpy(data.labels[objective.rows(0, rank=0, world=1)])
    raw = torch.randn(len(labels), 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    embeddings = F.normalize(raw) if objective.unit else raw
    objective.pictures = torch.randn(len(labels), 3, 16, 16, generator=torch.Generator().manual_seed(1))
    loss = objective.loss(embeddings, labels, F.one_hot(labels, 6).float())
    assert loss.shape == ()
    assert math.isfinite(float(loss.detach()))
    loss.backward()
    assert raw.grad is not None
    assert raw.grad.abs().sum() > 0
    assert all(p.grad is not None for p in objective.context.module.parameters())
    shown = objective.figures(F.normalize(raw.detach()), labels)
    assert all(math.isfinite(value) for value in shown.values())


def test_a_run_that_is_cut_off_goes_on_with_the_very_figures_it_would_have_had(
    name: str, data: Prepared, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the network first, then the head alone where it can."""
    monkeypatch.setattr(loop, "RECORD", 5)
    phases = of(name).phases
    if recipes.objective(name).tunes_head:
        phases += (Phase(name, 0.0, 0.05, ((1.0, 16),), 1e-3, 1.0, head_only=True, steps=5, batch=24),)
    recipe = tiny(labels_per_batch=6, phases=phases)
    whole, cut = trained("whole", data, recipe, steps=10), new("cut", data, recipe, steps=10)

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == total - 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start.go_on(cut, device="cpu", checkpoint_seconds=0, progress=progress)
    assert 0 < torch.load(cut.last, weights_only=True)["step"] < whole.about()["steps"]
    assert start.go_on(cut, device="cpu") == "finished"
    assert figures(cut) == figures(whole)
    assert len(whole.metrics("train")) >= 2
    assert cut.best.read_bytes() == whole.best.read_bytes()
    assert model_folder.load(cut.root).network.options["dim"] == 16
    assert (cut.root / f"{name}.safetensors").is_file()
