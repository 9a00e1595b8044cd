"""From what was asked to a run that goes: its folder, its network, its processes."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from pipeline import devices
from pipeline.errors import SemblanceError, UsageError
from pipeline.networks import deep_ranking, model_folder
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import seeded
from pipeline.records import Progress, silent
from pipeline.settings import Settings
from training import prepared, recipes, runs, schedule
from training.prepared import Prepared
from training.recipes import Recipe
from training.runs import Run

OPTIMISERS = ("sgd", "adam", "rms")


def new_run(
    name: str, data: Prepared, recipe: Recipe, *, minutes: float, epochs: float, init: str, command: list[str]
) -> Run:
    """Check everything that can be checked before the first step, then make the folder.

    Raises UsageError when batch, labels or options cannot work with this data.
    """
    n = len(data.split("train", open_set=False if recipe.open_set else None))
    if recipe.batch_size > n:
        raise UsageError(
            f"a batch of {recipe.batch_size:,} is larger than the {n:,} training pictures; take a smaller one"
        )
    if recipe.batch_size < 2:
        raise UsageError(f"a batch of {recipe.batch_size} gives no statistics and no triplets; take at least 6")
    if recipe.optim not in OPTIMISERS:
        raise UsageError(f"unknown optimiser {recipe.optim!r}; choose from {', '.join(OPTIMISERS)}")
    if (minutes > 0) == (epochs > 0):
        raise UsageError("say how long to train: either minutes or epochs, above 0")
    network = _network(recipe, init)
    dim = network.head.out_features
    run = runs.create_run(
        name,
        Settings(),
        command=" ".join(["python -m training", *command]),
        status="new",
        data={"folder": str(data.folder.absolute()), "name": data.about["dataset"], "labels": len(data.about["labels"])}
        | data.about["splits"],
        recipe=recipes.to_json(recipe),
        network={"backbone": recipe.backbone, "dim": dim, "multiscale": recipe.multiscale},
        seed=recipe.seed,
        minutes=minutes,
        epochs=epochs,
        init=init,
        versions=_versions(),
    )
    side = recipe.test_side
    cropping = Cropping((side, side), (side, side), mean=tuple(data.about["mean"]), std=tuple(data.about["std"]))
    options = {"backbone": recipe.backbone, "dim": dim, "multiscale": recipe.multiscale}
    model_folder.write(run.root, options=options, cropping=cropping, weights=run.best.name)
    return run


def is_first_process() -> bool:
    """torchrun numbers its processes; alone, one is the first."""
    return os.environ.get("RANK", "0") == "0"


def shared_run(name: str, data: Prepared, recipe: Recipe, **asked: Any) -> Run:
    """`new_run` by the first process; the others wait until its folder is there."""
    if is_first_process():
        return new_run(name, data, recipe, **asked)
    run = Run(Settings().runs / name)
    for _ in range(600):
        if (run.root / "model.json").exists():
            return run
        time.sleep(0.1)
    raise SemblanceError(f"the first process has not made the run {name} within a minute; see what it said")


def go_on(
    run: Run, *, device: str, compile: bool = False, checkpoint_seconds: float = 120.0, progress: Progress = silent
) -> str:
    """Train a new run, or one that was stopped. Returns finished or stopped; run.json has it too.

    Under torchrun every process calls this with the same arguments. Raises SemblanceError.
    """
    import ignite.distributed as idist
    import torch

    about = run.about()
    if about["status"] == "finished":
        return "finished"
    recipe = recipes.from_json(about["recipe"])
    data = prepared.load(Path(about["data"]["folder"]))
    chosen = devices.choose(device)
    if "RANK" in os.environ:
        backend = "nccl" if chosen.type == "cuda" else "gloo"
        with idist.Parallel(backend=backend) as parallel:
            chosen = idist.device() if chosen.type == "cuda" else torch.device("cpu")
            found: list[str] = []
            parallel.run(
                lambda _: found.append(_train(run, data, recipe, chosen, compile, checkpoint_seconds, progress))
            )
            return found[0]
    return _train(run, data, recipe, chosen, compile, checkpoint_seconds, progress)


def _train(
    run: Run, data: Prepared, recipe: Recipe, device: Any, compile: bool, checkpoint_seconds: float, progress: Progress
) -> str:
    import ignite.distributed as idist
    import torch

    from training.loop import Loop

    about = run.about()
    writes = idist.get_rank() == 0

    def plan(step_seconds: float) -> schedule.Schedule:
        if about["minutes"]:
            return schedule.by_time(recipe, 60 * about["minutes"], step_seconds=step_seconds)
        n = len(data.split("train", open_set=False if recipe.open_set else None))
        return schedule.by_steps(recipe, round(about["epochs"] * n / recipe.batch_size))

    network = _network(recipe, about["init"]).to(device).to(memory_format=torch.channels_last)
    try:
        with seeded(recipe.seed):
            loop = Loop(
                run, data, network, recipe,
                device=device, plan=plan, compile=compile, checkpoint_seconds=checkpoint_seconds, progress=progress,
            )  # fmt: skip
            status = loop.train()
    except SemblanceError as error:
        if writes:
            run.update(status="failed", error=str(error))
        raise
    except RuntimeError as error:
        reason = "the device's memory is full; take a smaller --batch-size" if "memory" in str(error) else str(error)
        if writes:
            run.update(status="failed", error=reason)
        raise SemblanceError(f"training stopped: {reason.splitlines()[0]}; what was saved is in {run.root}") from error
    if writes:
        run.update(status=status)
    return status


def _network(recipe: Recipe, init: str) -> Any:
    """Seeded, then given the weights of `init` (a folder with model.json) where their shapes agree."""
    with seeded(recipe.seed):
        network = deep_ranking.build(
            recipe.backbone,  # type: ignore[arg-type]  # text from run.json; build checks it
            dim=recipe.dim, multiscale=recipe.multiscale, pretrained=recipe.pretrained and not init, frozen=recipe.frozen,
        )  # fmt: skip
    if init:
        model = model_folder.load(Path(init).expanduser())
        try:
            network.load_state_dict(model.network.state_dict())
        except RuntimeError:
            theirs = model.about["options"]
            raise UsageError(
                f"{init} holds {theirs['backbone']} with dim {theirs['dim']}, multiscale {theirs['multiscale']}, and this "
                f"run asks for {recipe.backbone} with dim {network.head.out_features}, multiscale {recipe.multiscale}; "
                "ask for the same, or leave init out"
            ) from None
    return network


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "torchvision", "pytorch-ignite", "pytorch-metric-learning", "numpy")
    return {"python": platform.python_version(), "platform": sys.platform} | {name: version(name) for name in packages}
