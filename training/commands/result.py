"""What came of a run: `evaluate` and `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline import filters, plugins, progress
from pipeline.errors import UsageError
from pipeline.settings import Settings
from training.commands.learn import Device, Seed, Shown

Target = Annotated[str, typer.Argument(help="a run, a folder with model.json, or an encoder such as color_histogram")]


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)
    app.command("export")(export)


def evaluate(
    target: Target,
    data: Annotated[
        Path, typer.Option("--data", help="a folder that `prepare` filled; by default the run's own")
    ] = Path(""),
    split: Annotated[
        str, typer.Option(help="test is asked once; dev (of other datasets: validation) is for choices")
    ] = "test",
    dataset: Annotated[
        str,
        typer.Option(help="other pictures instead, such as clothing:root=FOLDER: split against train, or --split all"),
    ] = "",
    labels: Annotated[Literal["all", "open", "closed"], typer.Option(help="whose pictures ask")] = "all",
    teacher: Annotated[str, typer.Option(help="run, folder or encoder: semantic part of the golden feature")] = "",
    limit: Annotated[int, typer.Option(help="queries a label; 0 = all")] = 0,
    graded: Annotated[bool, typer.Option("--graded", help="on the catalogue's exact grades instead")] = False,
    where: Annotated[list[str] | None, typer.Option(help="of --graded: only what passes, such as label=hat")] = None,
    triplets: Annotated[Path, typer.Option(help="human triplets: query_and_triplets.txt or a CSV, instead")] = Path(""),
    pictures: Annotated[Path, typer.Option(help="folder of the human triplets' pictures")] = Path(""),
    score_at: Annotated[
        int, typer.Option(min=0, help="K of the paper's score-at-top-K beside similarity precision, such as 30")
    ] = 0,
    threads: Annotated[int, typer.Option(help="0 = one a core")] = 0,
    card: Annotated[bool, typer.Option("--card", help="put the figures into TARGET's model.json and card")] = False,
    called: Annotated[str, typer.Option(help="what the card calls --dataset")] = "",
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json")] = False,
    shown: Shown = "auto",
) -> None:
    """Measure an encoder; a run keeps what was found, and `export` puts it into the card."""
    from training import runs
    from training.data import prepared
    from training.results import evaluate as measuring
    from training.results.cards import figure
    from training.results.export import add_figures

    if score_at and dataset and not graded:
        raise UsageError("a score at K needs triplets: prepared --data, --graded or --triplets, not --dataset alone")
    encoder = measuring.encoder_of(target, device=device)
    run = runs.open_run(target, Settings()) if target in runs.names(Settings()) else None
    with progress.shown(shown) as show:
        if graded:
            name = ", ".join(["catalogue, exact grades", *(where or ())])
            built = plugins.build("datasets", dataset or "catalogue")
            report = measuring.graded(
                encoder, built, where=filters.parse(where or ()), score_at=score_at, seed=seed, progress=show
            )
        elif dataset:
            name = f"{called or dataset.partition(':')[0]}, {split} against {'others' if split == 'all' else 'train'}"
            built = plugins.build("datasets", dataset)
            report = measuring.transferred(encoder, built, split=split, seed=seed, progress=show)
        elif triplets != Path(""):
            name = "human triplets"
            report = measuring.human(encoder, triplets, pictures, score_at=score_at, seed=seed, progress=show)
        else:
            folder = Path(run.about()["data"]["folder"]) if run and data == Path("") else data
            name = f"{split}, {labels} labels"
            report = measuring.evaluate(
                encoder, prepared.load(folder), split=split, labels=labels, limit=limit, score_at=score_at, seed=seed, progress=show,
                workers=threads, teacher=measuring.encoder_of(teacher, device=device) if teacher else None,
            )  # fmt: skip
    if run and not limit:
        run.update(evaluation=run.about().get("evaluation", {}) | {name: report})
    if card:
        add_figures(Path(target).expanduser(), name, report)
    if as_json:
        print(json.dumps(report))
        return
    for metric, interval in report["metrics"].items():
        value, low, high = (figure(interval[key]) for key in ("value", "low", "high"))
        print(f"{metric:32} {value}  ({low} to {high})")
    facts = {key: value for key, value in report.items() if key not in ("metrics", "fingerprint", "score_at")}
    if scored := report.get("score_at"):
        facts |= {
            "counted": f"{scored['counted'][-1]} of {scored['triplets']} triplets",
            "candidates": scored["candidates"],
        }
    print(", ".join(f"{key} {value}" for key, value in facts.items()))


def export(
    run: Annotated[str, typer.Argument(help="a run")],
    folder: Annotated[Path, typer.Argument(help="where the model goes, such as models/")],
    phase: Annotated[
        str, typer.Option(help="classification: what that phase ended with; default: the best weights")
    ] = "",
) -> None:
    """Write weights in half precision, model.json, the card and a check."""
    from training import runs
    from training.results.export import export as write

    made = write(runs.open_run(run, Settings()), folder, phase=phase)
    print(
        f"{folder}: {made['bytes'] / 1e6:.2f} MB, fingerprint {made['fingerprint'][:16]}; see {folder / 'MODEL_CARD.md'}"
    )
