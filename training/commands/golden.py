"""The golden feature's weights from judgments: `fit-golden`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline import plugins, progress
from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.settings import Settings
from training.commands.learn import Device, Seed, Shown


def register(app: typer.Typer) -> None:
    app.command("fit-golden")(fit_golden)


def fit_golden(
    file: Annotated[Path, typer.Argument(help="where the weights go, for `train --golden FILE`; ends in .json")],
    gallery: Annotated[str, typer.Option(help="whose kept likes and dislikes are the judgments")] = "",
    triplets: Annotated[Path, typer.Option(help="human triplets: query_and_triplets.txt or a CSV")] = Path(""),
    pictures: Annotated[Path, typer.Option(help="folder of the human triplets' pictures")] = Path(""),
    graded: Annotated[str, typer.Option(metavar="SPEC", help="the catalogue, whose exact grades judge")] = "",
    encoder: Annotated[
        str, typer.Option(help="run, folder or encoder: the semantic part; a gallery has its own")
    ] = plugins.DEFAULT_ENCODER,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json")] = False,
    shown: Shown = "auto",
) -> None:
    """Learn how much colour, texture and meaning count from judgments, and measure on others that taught nothing."""
    from pipeline.gallery.opening import open_gallery
    from training.results.evaluate import encoder_of
    from training.sampling import golden

    if [bool(gallery), triplets != Path(""), bool(graded)].count(True) != 1:
        raise UsageError("say who judged: one of --gallery NAME, --triplets FILE, --graded catalogue")
    if file.suffix != ".json":
        raise UsageError(f"{file} does not end in .json, by which `train --golden` knows it")
    with progress.shown(shown) as show:
        if gallery:
            judged = golden.of_gallery(open_gallery(gallery, Settings()), progress=show)
        elif graded:
            dataset = plugins.build("datasets", graded)
            judged = golden.of_grades(dataset, encoder_of(encoder, device=device), seed=seed, progress=show)
        else:
            judged = golden.of_people(triplets, pictures, encoder_of(encoder, device=device), progress=show)
    report = golden.fit(judged, seed=seed) | {"encoder": "" if gallery else encoder}
    atomic.write_json(file, report)
    if as_json:
        print(json.dumps(report))
        return
    print(f"{file}: " + ", ".join(f"{name} {weight:.3f}" for name, weight in report["weights"].items()))
    print(f"learned from {report['taught']:,} judgments of {report['judges']}; on {report['held_out']:,} others:")
    for name, said in (
        ("before", "the usual weights agree"),
        ("after", "the learned ones"),
        ("difference", "difference"),
    ):
        part = report[name]
        print(
            f"{said:24} {part['value']:+.4f}  ({part['low']:+.4f} to {part['high']:+.4f})".replace(
                "+", "", 3 * (name != "difference")
            )
        )
