"""A model from a frozen backbone in minutes: `fit-head`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, get_args

import typer

from pipeline import filters, plugins, progress
from pipeline.errors import UsageError
from pipeline.settings import Settings as Home
from training.commands.learn import Device, Seed, Shown


def register(app: typer.Typer) -> None:
    app.command("fit-head")(fit_head)


def fit_head(
    folder: Annotated[Path, typer.Argument(help="where the model goes, such as models/")],
    labels: Annotated[str, typer.Option(metavar="SPEC", help="a dataset whose labels teach, such as tiny_imagenet")],
    grades: Annotated[str, typer.Option(metavar="SPEC", help="a catalogue whose exact grades teach")] = "",
    unlabelled: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="means and axes only come from it; repeated for more")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="of --grades: only what passes, such as label!=hat,shoe")
    ] = None,
    each: Annotated[int, typer.Option(min=0, help="pictures of each label of --labels; 0 = all")] = 0,
    kept: Annotated[Path, typer.Option(help="where features stay; default: the cache")] = Path(""),
    backbone: Annotated[str, typer.Option(help="one with published weights")] = "efficientnet_lite2",
    dim: Annotated[int, typer.Option(min=2, max=4096)] = 256,
    side: Annotated[int, typer.Option(min=0, max=512, help="px; 0 = the backbone's")] = 0,
    steps: Annotated[int, typer.Option(min=0, help="of training; 0: principal components alone")] = 300,
    ranking: Annotated[float, typer.Option(min=0, help="weight of the triplets; 0: labels alone")] = 0.12,
    keep: Annotated[float, typer.Option(min=0, help="weight of staying as alike as untrained")] = 0.7,
    beyond: Annotated[float, typer.Option(min=0, help="how much farther to go where ranking went")] = 0.5,
    shallow: Annotated[float, typer.Option(min=0, help="length of the low-resolution part beside 1 of the deep")] = 0.4,
    note: Annotated[str, typer.Option(help="what the card says of the data, such as the terms of folders")] = "",
    seed: Seed = 0,
    device: Device = "auto",
    shown: Shown = "auto",
) -> None:
    """Fit the last layer of Deep Ranking on a backbone that stays as it is, and write the model."""
    from pipeline.networks.deep_ranking import Backbone
    from training.frozen.fit import fit
    from training.frozen.head import Settings

    if backbone not in get_args(Backbone) or backbone.startswith("dr"):
        raise UsageError(f"{backbone} has no published weights to keep; take efficientnet_lite2 or another backbone")
    with progress.shown(shown) as show:
        made = fit(
            folder, labels=_spec(labels), grades=_spec(grades), unlabelled=[_spec(spec) for spec in unlabelled or ()],
            where=filters.parse(where or ()), each=each, kept=Home().cache / "features" if kept == Path("") else kept,
            backbone=backbone, side=side, shallow=shallow, seed=seed, device=device, progress=show,  # type: ignore[arg-type]
            settings=Settings(dim=dim, steps=steps, ranking=ranking, keep=keep, beyond=beyond),
            note=note, command=shlex.join(["python", "-m", "training", *sys.argv[1:]]),
        )  # fmt: skip
    print(
        f"{folder}: {made['bytes'] / 1e6:.2f} MB, fingerprint {made['fingerprint'][:16]}; see {folder / 'MODEL_CARD.md'}"
    )


def _spec(text: str) -> str:
    name, colon, rest = text.partition(":")
    return plugins.absolute("datasets", name.replace("-", "_") + colon + rest) if text else ""
