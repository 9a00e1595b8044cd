"""Making a run: `prepare` and `train`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline import plugins, progress
from pipeline.errors import UsageError
from pipeline.settings import Settings
from training import recipes, runs

DataFolder = Annotated[Path, typer.Option("--data", help="a folder that `prepare` filled")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]
Seed = Annotated[int, typer.Option(min=0)]
Shown = Annotated[str, typer.Option("--progress", help="auto, json or none")]


def register(app: typer.Typer) -> None:
    for verb in (prepare, train):
        app.command(verb.__name__.replace("_", "-"))(verb)


def prepare(
    dataset: Annotated[str, typer.Argument(help="a dataset such as tiny-imagenet or folder:root=~/photos")],
    folder: Annotated[Path, typer.Argument(help="where the decoded pictures go")],
    side: Annotated[int, typer.Option(min=16, max=512, help="px; 64 is what deep_ranking's golden feature needs")] = 64,
    dev_share: Annotated[float, typer.Option(help="of each label's training pictures, for choices")] = 0.1,
    open_labels: Annotated[int, typer.Option(min=0, help="labels of the open set")] = 20,
    limit: Annotated[int, typer.Option(min=0, help="pictures a label; 0 = all")] = 0,
    labels: Annotated[int, typer.Option(min=0, help="so many labels, drawn by the seed; 0 = all")] = 0,
    item: Annotated[str, typer.Option(help="metadata that names what a picture shows; by default the label")] = "",
    category: Annotated[
        str, typer.Option(help="metadata whose items are alike; with --item, by default the label")
    ] = "",
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="every picture, no label read: for --loss reconstruction")
    ] = False,
    seed: Seed = 0,
    shown: Shown = "auto",
) -> None:
    """Decode a labelled dataset once, cut its splits, list its duplicates."""
    from training.data.prepare import prepare as run

    if not 0 < dev_share < 0.5:
        raise UsageError(f"dev share {dev_share} is not between 0 and 0.5")
    spec = plugins.absolute("datasets", _spec(dataset))
    with progress.shown(shown) as show:
        about = run(
            plugins.build("datasets", spec), folder, spec=spec,
            side=side, dev_share=dev_share, open_labels=open_labels, limit=limit, seed=seed, progress=show,
            labels=labels, item=item, category=category, unlabelled=unlabelled,
        )  # fmt: skip
    counts = ", ".join(f"{about['splits'].get(name, 0):,} {name}" for name in ("train", "dev", "test"))
    print(f"{folder}: {counts}; {len(about['labels'])} labels, {len(about['open'])} of them the open set")
    print(f"{len(about['dropped'])} copies dropped and {len(about['rejected'])} not readable, see prepared.json")


def train(
    data: DataFolder = Path(""),
    dataset: Annotated[
        str, typer.Option(help="in place of --data: a dataset, prepared first and kept in the home")
    ] = "",
    recipe: Annotated[str, typer.Option(help="cpu, gpu or paper")] = "cpu",
    loss: Annotated[
        str,
        typer.Option(help=f"{', '.join(recipes.losses())}; options as NAME:key=value,key=value"),
    ] = "deep_ranking",
    name: Annotated[str, typer.Option(help="of the run; by default recipe and loss")] = "",
    minutes: Annotated[float, typer.Option(help="turned into steps after the first 50 are timed")] = 0,
    epochs: float = 0,
    resume: Annotated[str, typer.Option(help="a stopped or killed run, by name; every other option is the run's")] = "",
    init: Annotated[str, typer.Option(help="begin with the weights of this folder, such as models/")] = "",
    batch_size: int = 0,
    lr: Annotated[float, typer.Option(min=0, help="peak of the first phase; later ones follow")] = 0,
    optim: Annotated[str, typer.Option(help="sgd, adam or rms")] = "",
    backbone: str = "",
    dim: int = 0,
    grid: Annotated[
        int | None, typer.Option(min=0, help="cells a side of the grid path, 0 to 8; by default the recipe's")
    ] = None,
    kept: Annotated[
        float | None, typer.Option(min=0, help="share of the embedding that is the grid's principal components, to 0.9")
    ] = None,
    single_scale: Annotated[bool, typer.Option(help="without the low-resolution paths")] = False,
    pretrained: Annotated[bool, typer.Option(help="ImageNet weights of resnet18, 50, 101, alexnet")] = False,
    frozen: Annotated[int, typer.Option(help="first stages of the backbone that stay as they are")] = 0,
    sampler: Annotated[
        str | None, typer.Option(help="of deep_ranking's triplets: exact, reservoir (bounded memory) or uniform")
    ] = None,
    golden: Annotated[
        str, typer.Option(help="of deep_ranking: colour=0.4,texture=0.4,semantic=0.2, or a file of `fit-golden`")
    ] = "",
    out_of_class: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="share of deep_ranking's triplets whose negative has another label"),
    ] = None,
    classification_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="of the time, before the loss begins")
    ] = None,
    classification_weight: Annotated[float | None, typer.Option(min=0, help="beside deep_ranking's hinge")] = None,
    margin: Annotated[float | None, typer.Option(min=0, help="of a loss that has one; by default its own")] = None,
    miner: Annotated[
        str | None, typer.Option(help="of triplet_hinge: all, semi_hard, hardest, random_hard or uniform")
    ] = None,
    square_margin: Annotated[
        float | None, typer.Option(min=0, help="m² of a Siamese loss; by default the type's own")
    ] = None,
    same_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="of a Siamese loss's pairs that are of one item")
    ] = None,
    tune: Annotated[
        Literal["", "head", "whole"],
        typer.Option(help="what the phase after classification trains; by default the recipe's"),
    ] = "",
    head_steps: Annotated[
        int | None, typer.Option(min=1, help="the most of a phase that trains the head alone, 1,000 by default")
    ] = None,
    open_set: Annotated[bool, typer.Option(help="leave the open set's labels out")] = False,
    compile: Annotated[bool, typer.Option("--compile", help="torch.compile the network")] = False,
    checkpoint_seconds: Annotated[float, typer.Option(help="between resume checkpoints")] = 120,
    threads: Annotated[int, typer.Option(help="of a CPU run; 0 = all cores, 1 beside other work")] = 0,
    seed: Seed = 0,
    device: Device = "auto",
    shown: Shown = "auto",
) -> None:
    """Train a run, or go on with one. Ctrl-C stops it with a checkpoint."""
    import torch

    from pipeline import devices
    from pipeline.features.relevance import written_weights
    from training.data import prepared
    from training.data.prepare import prepared_once
    from training.loop import start
    from training.sampling.golden import read as read_weights

    devices.choose(device)  # before a folder is made for nothing
    if threads:
        torch.set_num_threads(threads)
    if resume:
        run = runs.open_run(resume, Settings())
    else:
        if (data == Path("")) == (not dataset):
            raise UsageError(
                "name the prepared pictures with --data FOLDER, or a dataset with --dataset SPEC, or a run to go on with: "
                "--resume NAME"
            )
        facts = {
            "batch_size": batch_size, "optim": optim, "backbone": backbone, "dim": dim, "pretrained": pretrained,
            "frozen": frozen, "open_set": open_set, "seed": seed,
        }  # fmt: skip
        facts = {key: value for key, value in facts.items() if value}
        own = {
            "grid": grid, "kept": kept, "margin": margin, "miner": miner, "sampler": sampler, "out_of_class": out_of_class,
            "classification_weight": classification_weight, "square_margin": square_margin, "same_share": same_share,
        }  # fmt: skip
        facts |= {key: value for key, value in own.items() if value is not None}
        if golden:
            learned, judged = read_weights(golden)
            facts["golden"] = written_weights(learned, tuple(learned))
        if single_scale:
            facts["multiscale"] = False
        made = recipes.recipe(
            recipe, loss=loss, lr=lr, classification_share=classification_share,
            head_only={"": None, "head": True, "whole": False}[tune], head_steps=head_steps,
            **facts,
        )  # fmt: skip
        name = name or runs.name_of(recipe, loss)
        if dataset and "RANK" in os.environ:
            raise UsageError(
                "several processes train on prepared pictures: run `prepare` first and name them with --data"
            )
        if dataset:
            runs.check_name(name, Settings())  # before minutes of preparation
            with progress.shown(shown) as show:
                needs_labels = any(recipes.objective(phase.objective).needs_labels for phase in made.phases)
                spec = plugins.absolute("datasets", _spec(dataset))
                data = prepared_once(spec, Settings().home, needs_labels=needs_labels, progress=show)
        run = start.shared_run(
            name, prepared.load(data), made, minutes=minutes, epochs=epochs, init=init, command=sys.argv[1:]
        )
        if golden and judged and start.is_first_process():
            run.update(golden=judged)
    with progress.shown(shown) as show:
        status = start.go_on(run, device=device, compile=compile, checkpoint_seconds=checkpoint_seconds, progress=show)
    if start.is_first_process():
        figures = ", ".join(f"{key} {value:.3f}" for key, value in run.about().get("figures", {}).items())
        print(f"{run.root}: {status}; best on dev: {figures or 'nothing measured yet'}")
    if status == "stopped":
        print(f"go on with: python -m training train --resume {run.name}", file=sys.stderr)
        raise typer.Exit(130)


def _spec(dataset: str) -> str:
    """As a shell's user writes it: tiny-imagenet is tiny_imagenet."""
    name, _, rest = dataset.partition(":")
    return name.replace("-", "_") + (f":{rest}" if rest else "")
