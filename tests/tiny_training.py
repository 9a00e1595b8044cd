"""A dataset that a small network learns in seconds, and runs of a few steps on it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline import ROOT, plugins
from pipeline.records import Progress, silent
from training import recipes
from training.data import prepared
from training.data.prepare import prepare
from training.data.prepared import Prepared
from training.loop import start
from training.objectives._objective import Context, Objective
from training.recipes import Phase, Recipe
from training.runs import Run

Said = Callable[..., tuple[int, str, str]]
LABELS = ("apple", "brick", "cloud", "dune", "elm", "fern")
EACH = 40


def draw(label: int, seed: int) -> Image.Image:
    """Stripes: their direction and colour are the label's, their place, width and noise the picture's."""
    random = np.random.default_rng((label, seed))
    y, x = np.mgrid[:64, :64] / 64
    angle = np.pi * label / len(LABELS)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * random.uniform(15, 30) + random.uniform(0, 6))
    colour = np.array([(230, 60, 40), (40, 90, 220), (40, 200, 90), (220, 190, 40), (150, 60, 200), (60, 200, 210)])[
        label
    ]
    mixed = 128 + (0.5 + 0.5 * wave)[..., None] * (colour - 128) + random.normal(0, 20, (64, 64, 3))
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def photos(
    folder: Path, *, labels: tuple[str, ...] = LABELS, each: int = EACH, split: str = "", first: int = 0
) -> Path:
    """[SPLIT/]LABEL/NN.png; returns the folder."""
    for number, label in enumerate(labels):
        here = folder / split / label
        here.mkdir(parents=True, exist_ok=True)
        for i in range(first, first + each):
            draw(number, i).save(here / f"{i:02d}.png", compress_level=1)
    return folder


def prepared_stripes(stripes: Path, folder: Path) -> Prepared:
    """`photos`, prepared: 168 to train on, 36 dev, 36 test."""
    spec = f"folder:root={stripes}"
    prepare(plugins.build("datasets", spec), folder, spec=spec, dev_share=0.15)
    return prepared.load(folder)


def tiny(
    *,
    objective: str = recipes.CLASSIFICATION,
    then: str = "",
    lr: float = 0.1,
    weight_decay: float = 5e-4,
    crop_min: float = 0.8,
    **facts,
) -> Recipe:
    """One phase, or two of equal length."""
    phases = [
        Phase(name, 1.0 / (1 + bool(then)), lr, ((1.0, 16),), weight_decay, crop_min)
        for name in (objective, then)
        if name
    ]
    return Recipe(**({"dim": 16, "test_side": 16, "batch_size": 24, "phases": tuple(phases)} | facts))


def new(name: str, data: Prepared, recipe: Recipe, *, steps: int, init: str = "") -> Run:
    n = len(data.split("train", open_set=False if recipe.open_set else None))
    return start.new_run(
        name, data, recipe, minutes=0, epochs=steps * recipe.batch_size / n, init=init, command=["train"]
    )


def trained(name: str, data: Prepared, recipe: Recipe, *, steps: int, init: str = "") -> Run:
    run = new(name, data, recipe, steps=steps, init=init)
    assert start.go_on(run, device="cpu") == "finished"
    return run


def cut_at(step: int) -> Progress:
    """Ctrl-C after so many steps."""

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == step:
            raise KeyboardInterrupt

    return progress


def begun(recipe: Recipe, data: Prepared, folder: Path) -> Objective:
    """The objective of a recipe's first phase, as a step finds it; the network says what chance says."""
    phase = recipe.phases[0]
    torch.manual_seed(0)
    modules = recipes.modules(recipe, dim=recipe.dim, n_labels=len(data.about["labels"]))

    def embed(rows: np.ndarray) -> np.ndarray:
        found = np.random.default_rng(0).normal(size=(len(rows), recipe.dim))
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    objective = recipes.objective(phase.objective)
    objective.begin(Context(
        Run(folder), data, recipe, data.split("train"), phase.batch or recipe.batch_size, module=modules[phase.name],
        classifier=modules["classification"], embed=embed, writes=False, progress=silent,
    ))  # fmt: skip
    return objective


def figures(run: Run) -> list[dict]:
    """metrics.jsonl without what a clock says."""
    clock = ("seconds", "seconds_left", "images_per_second")
    return [{key: value for key, value in line.items() if key not in clock} for line in run.metrics()]


# in a process of its own: small steps, and lines of figures every few of them
PREAMBLE = (
    "import dataclasses, sys, torch\n"
    "torch.set_num_threads(1)\n"
    "from training import recipes\n"
    "from training.loop import loop\n"
    "loop.RECORD = 10\n"
    "small = {'batch_size': 24, 'test_side': 16, 'dim': 16, 'labels_per_batch': 6}\n"
    "recipes.BASES['cpu'] = recipes.Base(0.1, ((1.0, 16),), 5e-4, 0.8, small)\n"
    "from training.__main__ import main\n"
)


def command(*words: str | Path, before: str = "") -> list[str]:
    """`python -m training WORDS` with a small recipe. before: Python that the process runs first."""
    return [sys.executable, "-c", f"{PREAMBLE}{before}\nsys.argv = {['training', *map(str, words)]!r}\nmain()"]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def variant(data: Prepared, folder: Path, *, pixels: np.ndarray | None = None, **columns) -> Prepared:
    """A copy of prepared pictures with other pixels or other columns of its table."""
    folder.mkdir(parents=True)
    np.save(folder / "pixels.npy", data.pixels if pixels is None else pixels)
    table = data.table.assign(**columns)
    table.to_parquet(folder / "pictures.parquet", index=False)
    about = data.about | {"labels": sorted(set(table["label"])), "splits": table["split"].value_counts().to_dict()}
    (folder / "prepared.json").write_text(json.dumps(about))
    return prepared.load(folder)
