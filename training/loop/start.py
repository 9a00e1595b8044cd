"""From what was asked to a run that goes: its folder, its network, its processes."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import devices
from pipeline.errors import SemblanceError, UsageError
from pipeline.files import atomic
from pipeline.networks import deep_ranking, model_folder
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import seeded
from pipeline.records import Progress, silent
from pipeline.settings import Settings
from training import recipes, runs
from training.data import prepared
from training.data.prepared import Prepared
from training.loop import optimisers, schedule
from training.recipes import Recipe
from training.runs import Run, RunError


def new_run(
    name: str, data: Prepared, recipe: Recipe, *, minutes: float, epochs: float, init: str, command: list[str]
) -> Run:
    """Check everything that can be checked before the first step, then make the folder.

    minutes, epochs: of all phases together; one of them, or none where the head alone is trained, by its own steps.
    Raises UsageError when batch, labels or options cannot work with this data.
    """
    n = len(data.split("train", open_set=False if recipe.open_set else None))
    if recipe.batch_size > n:
        raise UsageError(
            f"a batch of {recipe.batch_size:,} is larger than the {n:,} training pictures; take a smaller one"
        )
    if recipe.batch_size < 2:
        raise UsageError(f"a batch of {recipe.batch_size} gives no statistics and no triplets; take at least 6")
    if recipe.optim not in optimisers.NAMES:
        raise UsageError(f"unknown optimiser {recipe.optim!r}; choose from {', '.join(optimisers.NAMES)}")
    if all(phase.head_only for phase in recipe.phases) and not (minutes or epochs):
        recipe = dataclasses.replace(recipe, phases=tuple(dataclasses.replace(p, time=0.0) for p in recipe.phases))
    elif (minutes > 0) == (epochs > 0):
        raise UsageError("say how long to train: either minutes or epochs, above 0")
    if not (math.isfinite(minutes) and math.isfinite(epochs)):
        raise UsageError(f"{minutes:g} minutes, {epochs:g} epochs: that never ends; give a number")
    recipe = _fitting(recipe, data)
    network = _network(recipe, init)
    recipes.modules(recipe, dim=network.options["dim"], n_labels=len(data.about["labels"]))
    run = runs.create_run(
        name,
        Settings(),
        command=" ".join(["python -m training", *command]),
        status="new",
        data={"folder": str(data.folder.absolute()), "name": data.about["dataset"], "labels": len(data.about["labels"])}
        | data.about["splits"],
        recipe=recipes.to_json(recipe),
        network=network.options,
        seed=recipe.seed,
        minutes=minutes,
        epochs=epochs,
        init=init,
        versions=_versions(),
    )
    side = recipe.test_side
    cropping = Cropping((side, side), (side, side), mean=tuple(data.about["mean"]), std=tuple(data.about["std"]))
    model_folder.write(run.root, options=network.options, cropping=cropping, weights=run.best.name)
    return run


def _fitting(recipe: Recipe, data: Prepared) -> Recipe:
    """Later phases and the dev measurement are tried on the data now, not when hours have passed."""
    rows, dev = (data.split(name, open_set=False if recipe.open_set else None) for name in ("train", "dev"))
    sizes = np.unique(data.labels[dev], return_counts=True)[1]
    unlabelled = not any(recipes.objective(phase.objective).needs_labels for phase in recipe.phases)
    if unlabelled and len(dev) < 2:
        raise UsageError(f"the dev split has {len(dev)} pictures and at least 2 are needed; prepare again with more")
    if not unlabelled and (len(sizes) < 2 or sizes.max() < 2):
        raise UsageError(
            f"the dev split has {len(dev)} pictures of {len(sizes)} labels, too few to measure with: at least two labels "
            "are needed and two pictures of one; prepare again with more pictures a label or a larger --dev-share"
        )
    recipe = dataclasses.replace(
        recipe, labels_per_batch=min(recipe.labels_per_batch, len(np.unique(data.labels[rows])))
    )
    for phase in recipe.phases:
        recipes.objective(phase.objective).check(data, rows, recipe, batch=phase.batch or recipe.batch_size)
    return recipe


def is_first_process() -> bool:
    """torchrun numbers its processes; alone, one is the first."""
    return os.environ.get("RANK", "0") == "0"


def shared_run(name: str, data: Prepared, recipe: Recipe, **options: Any) -> Run:
    """`new_run` by the first process; the others wait until its folder is there."""
    if is_first_process():
        return new_run(name, data, recipe, **options)
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
    about = run.about()
    if about["status"] == "finished":
        return "finished"
    with _alone(run):
        return _go_on(run, about, devices.choose(device), compile, checkpoint_seconds, progress)


def _go_on(
    run: Run, about: dict[str, Any], chosen: Any, compile: bool, checkpoint_seconds: float, progress: Progress
) -> str:
    import ignite.distributed as idist
    import torch

    recipe = recipes.from_json(about["recipe"])
    data = prepared.load(Path(about["data"]["folder"]))
    if "RANK" in os.environ:
        backend = "nccl" if chosen.type == "cuda" else "gloo"
        with idist.Parallel(backend=backend) as parallel:
            chosen = idist.device() if chosen.type == "cuda" else torch.device("cpu")
            status: list[str] = []
            parallel.run(
                lambda _: status.append(_train(run, data, recipe, chosen, compile, checkpoint_seconds, progress))
            )
            return status[0]
    return _train(run, data, recipe, chosen, compile, checkpoint_seconds, progress)


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """RunError while another training writes this run. Leftovers of a killed one are deleted."""
    from filelock import FileLock, Timeout

    if not is_first_process():
        yield
        return
    try:
        lock = FileLock(run.lock).acquire(timeout=1)  # longer than `Run.held` looks
    except Timeout:
        raise RunError(f"run {run.name} is being trained by another process; wait for it or stop it") from None
    with lock:
        atomic.clean(run.root)
        yield


def _train(
    run: Run, data: Prepared, recipe: Recipe, device: Any, compile: bool, checkpoint_seconds: float, progress: Progress
) -> str:
    import ignite.distributed as idist
    import torch

    from training.loop.loop import Loop

    about = run.about()
    writes = idist.get_rank() == 0

    def plan(paces: Callable[[], dict[int, schedule.Pace]]) -> schedule.Schedule:
        if about["minutes"]:
            return schedule.by_time(recipe, 60 * about["minutes"], paces=paces())
        n = len(data.split("train", open_set=False if recipe.open_set else None))
        return schedule.by_steps(recipe, round(about["epochs"] * n / recipe.batch_size))

    network = (
        _network(recipe, about["init"], resumed=run.last.exists()).to(device).to(memory_format=torch.channels_last)
    )
    try:
        with seeded(recipe.seed):
            loop = Loop(
                run, data, network, recipe,
                device=device, plan=plan, imprint=bool(about["init"]), compile=compile, checkpoint_seconds=checkpoint_seconds, progress=progress,
            )  # fmt: skip
            status = loop.train()
    except KeyboardInterrupt:  # before the first step, or a second Ctrl-C
        if writes:
            run.update(status="stopped")
        raise
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


def _network(recipe: Recipe, init: str, *, resumed: bool = False) -> Any:
    """Seeded, then given the weights of `init`, a folder with model.json; UsageError when it is another architecture.

    resumed: all weights come from a checkpoint, so neither `init` nor a download is needed.
    """
    with seeded(recipe.seed):
        network = deep_ranking.build(
            **recipe.network, pretrained=recipe.pretrained and not (init or resumed), frozen=recipe.frozen
        )
    if init and not resumed:
        with seeded(recipe.seed):
            network.begin_with(model_folder.load(Path(init).expanduser()).network)
    return network


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "torchvision", "pytorch-ignite", "pytorch-metric-learning", "numpy")
    return {"python": platform.python_version(), "platform": sys.platform} | {name: version(name) for name in packages}
