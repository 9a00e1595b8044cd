"""What a run makes of pictures: `embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import progress
from pipeline.errors import UsageError
from pipeline.settings import Settings
from training.commands.learn import Device, Shown


def register(app: typer.Typer) -> None:
    app.command()(embed)


def embed(
    run: Annotated[str, typer.Argument(metavar="RUN", help="name or folder of a run, or an exported model's folder")],
    data: Annotated[str, typer.Option(help="a folder that `prepare` filled; by default the run's own")] = "",
    folder: Annotated[Path, typer.Option(help="where the two files go")] = Path("."),
    with_dev: Annotated[
        bool, typer.Option("--with-dev", help="the dev split's pictures too, in the train file")
    ] = False,
    device: Device = "auto",
    shown: Shown = "auto",
) -> None:
    """Write train_embedding.txt and test_embedding.txt: id, label and values, tabs between, one row a picture."""
    from pipeline.networks import model_folder
    from training.data import prepared
    from training.results.embed import embed as write
    from training.results.embed import model_of

    weights, own = model_of(run, Settings())
    pictures = Path(data) if data else own
    if pictures is None:
        raise UsageError(f"{run} is an exported model; name the prepared pictures with --data FOLDER")
    loaded = prepared.load(pictures)
    encoder = model_folder.load(weights).encoder(device)
    with progress.shown(shown) as show:
        files = write(encoder, loaded, folder=folder.expanduser(), with_dev=with_dev, progress=show)
    for file in files:
        print(f"{file.path}: {file.count:,} pictures, {encoder.dim} values each")
