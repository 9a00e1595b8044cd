"""Short ablations of the head, in one run: everything below it is frozen, and its pictures pass it once for all rows.

    python -m benchmarks.ablations --data data/tiny-imagenet --weights models/ [--steps 500] [--only loss,dim]

Each row trains a head from random weights: classification first, then its loss for as many steps. It is measured as
`training evaluate` does: the official val pictures against train. Prints a row each: value, and half the width of its 95 % interval.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import measuring
from benchmarks.figures import COLUMNS, cell
from pipeline.networks import deep_ranking, model_folder
from pipeline.networks.deep_ranking import DeepRanking
from pipeline.networks.frozen import seeded
from training import recipes
from training.data import prepared
from training.data.pixels import Pixels
from training.loop import schedule, start
from training.loop.loop import Loop
from training.results import evaluate

THIRD = 1 / 3
ROWS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "seed": [(f"{loss}, seed {seed}", {"loss": loss, "seed": seed}) for seed in (0, 1, 2) for loss in ("deep_ranking", "classification")],
    "scale": [("deep_ranking, single-scale", {"multiscale": False}), ("deep_ranking, no grid (the paper's network)", {"grid": 0, "kept": 0.0}), ("deep_ranking, nothing kept", {"kept": 0.0})],
    "loss": [(loss, {"loss": loss}) for loss in ("triplet_hinge", "contrastive", "multi_similarity", "proxy_anchor")],
    "dim": [(f"deep_ranking, dim {dim}", {"dim": dim}) for dim in (64, 128, 256, 512)],
}  # fmt: skip


class Remembering(Pixels):
    """Pixels whose way through the frozen part is known for every row."""

    def __init__(self, data: prepared.Prepared, base: DeepRanking, *, side: int) -> None:
        super().__init__(data, torch.device("cpu"))
        self.base, self.side = base, side
        self.seen = super().joined(base, np.arange(len(data.table)), side=side)  # (n, width) float16

    def joined(self, network: DeepRanking, rows: np.ndarray, *, side: int, folder: Path | None = None) -> Tensor:
        assert side == self.side
        assert folder is None
        parts = [self.base.columns[name] for name, own in network.columns.items() if own.stop > own.start]
        return torch.cat([self.seen[torch.from_numpy(rows)][:, part] for part in parts], dim=1)

    @torch.no_grad()
    def embed(self, network: nn.Module, rows: np.ndarray, *, side: int) -> np.ndarray:
        assert isinstance(network, DeepRanking)
        network.eval()
        found = [
            network.project(self.joined(network, some, side=side).float())
            for some in np.array_split(rows, len(rows) // 4096 + 1)
        ]
        return np.concatenate([F.normalize(part, dim=1).numpy() for part in found])  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("models"), help="folder whose frozen part is used")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    asked = parser.parse_args()

    data, model = prepared.load(asked.data), model_folder.load(asked.weights)
    assert isinstance(model.network, DeepRanking)
    side = model.cropping.size[0]
    begun = time.perf_counter()
    pixels = Remembering(data, model.network, side=side)
    queries, held = evaluate.query_and_gallery_rows(data, "test", "all", 0, 0)
    golden = evaluate.golden_triplets(data, queries, teacher=None, seed=0)
    print(
        f"{measuring.machine()}; twice {asked.steps} steps of the head over {asked.weights}; test against train",
        flush=True,
    )
    print(f"the frozen part saw {len(data.table):,} pictures in {time.perf_counter() - begun:.0f} s\n", flush=True)
    print(f"| head | dim | {' | '.join(COLUMNS.values())} |\n{'|---' * (len(COLUMNS) + 2)}|", flush=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["SEMBLANCE_HOME"] = home
        for name, facts in [row for group in asked.only.split(",") for row in ROWS[group]]:
            recipe = recipe_of(model.about, side, asked.steps, **facts)
            network = head(name, recipe, data, pixels)
            found = evaluate.figures(
                pixels.embed(network, queries, side=side), pixels.embed(network, held, side=side),
                data.labels[queries], data.labels[held], golden=golden, seed=0,
            )  # fmt: skip
            print(f"| {name} | {recipe.dim} | {' | '.join(cell(found[column]) for column in COLUMNS)} |", flush=True)
    return 0


def recipe_of(
    about: dict[str, Any], side: int, steps: int, *, loss: str = "deep_ranking", **facts: Any
) -> recipes.Recipe:
    """The recipe of cpu with the weights' own network: the head learns to classify, then by the loss, as long again."""
    own = {name: about["options"][name] for name in ("backbone", "multiscale", "grid")}
    parts = [
        recipes.recipe("cpu", loss=each, classification_share=0, head_steps=steps, **own | {"test_side": side} | facts)
        for each in ("classification", loss)
    ]
    phases = [dataclasses.replace(phase, time=0.0) for part in parts for phase in part.phases]  # `steps` each
    return dataclasses.replace(parts[1], phases=tuple(phases))


def head(name: str, recipe: recipes.Recipe, data: prepared.Prepared, pixels: Remembering) -> DeepRanking:
    """A head from random weights over the frozen part, trained; with its averaged weights."""
    run = start.new_run(
        name.replace(", ", "-").replace(" ", "-").split("(")[0].strip("-").lower(),
        data,
        recipe,
        minutes=0,
        epochs=0,
        init="",
        command=[],
    )
    with seeded(recipe.seed):
        network = deep_ranking.build(**recipe.network)
        network.stages.load_state_dict(pixels.base.stages.state_dict())
        if len(network.paths):
            network.paths.load_state_dict(pixels.base.paths.state_dict())
        loop = Loop(
            run, data, network, recipe, device=torch.device("cpu"), imprint=True, pixels=pixels,
            plan=lambda _: schedule.by_steps(recipe, 0), checkpoint_seconds=1e9,
        )  # fmt: skip
        assert loop.train() == "finished"
    assert isinstance(loop.average, DeepRanking)
    return loop.average


if __name__ == "__main__":
    raise SystemExit(main())
