"""Triplets as a file: `sample-triplets`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import plugins, progress
from pipeline.errors import UsageError
from training.commands.learn import Shown

USUAL = "tiny-imagenet-200"


def register(app: typer.Typer) -> None:
    app.command("sample-triplets")(sample_triplets)


def sample_triplets(
    training: Annotated[int, typer.Option(min=0, max=1, help="1: the train split, 0: validation")],
    num_pos_images: Annotated[int, typer.Option(help="positives a query")] = 1,
    num_neg_images: Annotated[int, typer.Option(help="negatives a positive")] = 1,
    dataset: Annotated[str, typer.Option(metavar="SPEC", help=f"by default the folder {USUAL} below this one")] = "",
    folder: Annotated[Path, typer.Option(help="where the CSV file goes")] = Path("."),
    seed: int = 0,
    shown: Shown = "auto",
) -> None:
    """Write training_triplet_sample.csv or val_triplet_sample.csv: query, positive, negative."""
    from training.sampling.sample_triplets import sample_triplets as write

    if not dataset and not Path(USUAL).is_dir():
        raise UsageError(
            f"there is no folder {USUAL} in {Path.cwd()}; run this where it lies, or name a dataset: "
            "--dataset tiny_imagenet (downloads 248 MB), --dataset folder:root=…"
        )
    name, colon, rest = (dataset or f"tiny_imagenet:root={USUAL}").partition(":")
    with progress.shown(shown) as show:
        file = write(
            plugins.build("datasets", name.replace("-", "_") + colon + rest),
            training=bool(training), num_pos_images=num_pos_images, num_neg_images=num_neg_images,
            folder=folder.expanduser(), seed=seed, progress=show,
        )  # fmt: skip
    print(f"{file.path}: {file.count:,} triplets, seed {seed}")
    if file.alone:
        print(f"alone with their label, so negatives only: {file.alone:,}")
    if file.unlabeled:
        print(f"without a label, left out: {file.unlabeled:,}")
