"""An encoder that learns a gallery's own labels: `finetune`."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Annotated, Any, Literal

import typer

from pipeline import progress
from training.commands.learn import Device, Seed, Shown


def register(app: typer.Typer) -> None:
    app.command()(finetune)


def finetune(
    gallery: Annotated[str, typer.Option(help="whose pictures teach; it stays searchable meanwhile")],
    labels_from: Annotated[
        Literal["labels", "tags", "both"], typer.Option(help="the dataset's labels, people's tags, or tags over labels")
    ] = "labels",
    encoder: Annotated[str, typer.Option(help="begin from this one instead of the gallery's own")] = "",
    tune: Annotated[
        Literal["head", "whole"], typer.Option(help="a head in seconds, or the network itself, which wants a GPU")
    ] = "head",
    epochs: Annotated[float, typer.Option(min=0.01, help="of --tune whole")] = 20,
    switch: Annotated[
        Literal["if-better", "never", "always"], typer.Option(help="make the result the gallery's encoder")
    ] = "if-better",
    maps: Annotated[bool, typer.Option(help="place the held-out pictures before and after, the slowest part")] = True,
    threads: Annotated[int, typer.Option(help="of a CPU; 0 = all cores")] = 0,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json")] = False,
    shown: Shown = "auto",
) -> None:
    """Learn a gallery's own labels, measure that on pictures held out, and switch to it if it is better."""
    import torch

    from pipeline.errors import StoreLocked
    from pipeline.gallery import reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync
    from pipeline.settings import Settings
    from training.finetune.finetune import finetune as run

    if threads:
        torch.set_num_threads(threads)
    settings = Settings()
    opened = open_gallery(gallery, settings)
    with contextlib.ExitStack() as stack:
        store, show = None, stack.enter_context(progress.shown(shown))
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
        except StoreLocked as error:
            print(f"{error}. An open app fills the new collection by itself", file=sys.stderr)
        name = run(
            opened, source=labels_from, tune=tune, epochs=epochs, command=sys.argv[1:], encoder=encoder, switch=switch, store=store, maps=maps, device=device, seed=seed,
            progress=show,
        )  # fmt: skip
    report = reports.read(opened, name)
    print(json.dumps(report) if as_json else as_text(gallery, report))


def as_text(gallery: str, report: dict[str, Any]) -> str:
    """The table, the worst labels, and what was done, as text."""
    counts = report["counts"]
    lines = [
        f"{counts['train']:,} pictures taught, {counts['dev']:,} chose the step, {counts['test']:,} measured; "
        f"{report['seconds']:.1f} s",
        f"{'':14}{'before':>24}{'after':>26}{'rise':>28}",
    ]
    for metric, values in report["metrics"].items():
        cells = [_cell(values[when], "+" if when == "rise" else "") for when in ("before", "after", "rise")]
        lines.append(f"{metric:14}{cells[0]:>24}{cells[1]:>26}{cells[2]:>28}")
    by_label = {row["label"]: row for row in report["labels"]}
    worst = [by_label[label] for label in report["worst"]]
    lines.append("worst labels before, map_at_r: " + ", ".join(
        f"{row['label']} {row['map_at_r before']:.3f} → {row['map_at_r after']:.3f}" for row in worst
    ))  # fmt: skip
    lines += report["notes"]
    if report["after"]:
        lines.append(f"{gallery}: now {report['after']}; return with: python -m pipeline reencode {gallery} --back")
    else:
        why = "--switch never" if report["better"] else "the rise of map_at_r is not above 0 for certain"
        lines.append(f"{gallery} stays as it was: {why}")
    return "\n".join(lines)


def _cell(interval: dict[str, float], sign: str) -> str:
    return f"{interval['value']:{sign}.3f} ({interval['low']:.3f} to {interval['high']:.3f})"
