"""Losses side by side: `compare-losses`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import progress
from training.commands.learn import Device, Shown

FAMILY = "cat,siam,siam_cat,siam_cat_cos,triplet_hinge,deep_ranking"


def register(app: typer.Typer) -> None:
    app.command("compare-losses")(compare_losses)


def compare_losses(
    data: Annotated[Path, typer.Option("--data", help="a folder that `prepare` filled")],
    losses: Annotated[str, typer.Option(help="of `train`, commas between")] = FAMILY,
    seeds: Annotated[str, typer.Option(help="commas between")] = "0,1,2",
    epochs: Annotated[float, typer.Option(min=0.01, help="of each training")] = 5,
    prefix: Annotated[str, typer.Option(help="of the runs' names")] = "losses",
    recipe: Annotated[str, typer.Option(help="cpu, gpu or paper")] = "cpu",
    dim: int = 128,
    same_share: Annotated[float, typer.Option(help="of pairs that are of one item; the paper's")] = 1 / 21,
    square_margin: Annotated[float, typer.Option(help="m² of the Siamese losses; 0 = each one's own")] = 0,
    threads: Annotated[int, typer.Option(help="of a CPU; 0 = all cores")] = 0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json")] = False,
    shown: Shown = "auto",
) -> None:
    """Train each loss on the same data, network and budget with several seeds; print a table of what each is worth.

    Stopped or killed, the same command goes on.
    """
    import torch

    from pipeline.errors import UsageError
    from training.data import prepared
    from training.results.compare_losses import compare, table

    if threads:
        torch.set_num_threads(threads)
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise UsageError(f"seeds {seeds!r} are not whole numbers with commas between, such as 0,1,2") from None
    with progress.shown(shown) as show:
        rows = compare(
            prepared.load(data), [loss.strip() for loss in re.split(r",(?!\s*[\w-]+=)", losses)],
            prefix=prefix, seeds=numbers, epochs=epochs, base=recipe, command=sys.argv[1:], device=device, progress=show,
            dim=dim, grid=0, same_share=same_share, square_margin=square_margin,
        )  # fmt: skip
    print(json.dumps(rows) if as_json else table(rows))
