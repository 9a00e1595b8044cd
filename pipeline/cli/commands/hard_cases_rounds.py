"""The verbs `hard-cases export, import, next, show, list, drop`: what goes out, what comes back, and what is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.commands.hard_cases import (
    AsJson,
    CaseName,
    cases,
    interval_text,
    print_json,
    print_next,
    round_of,
    sizes,
)
from pipeline.cli.console import ProgressKind


def register(app: typer.Typer) -> None:
    """Nothing: hard_cases.py registers `cases`, to which these belong."""


@cases.command()
def export(
    name: CaseName,
    folder: Annotated[Path, typer.Argument(help="Made when missing", metavar="DIR")],
    format: Annotated[str, typer.Option(help="coco, csv or zip (pictures, boxes drawn, both files)")] = "coco",
    progress: ProgressKind = "auto",
) -> None:
    """Write the shortlist to be annotated again."""
    from pipeline.hard_cases.export import export_shortlist
    from pipeline.progress import shown

    round = round_of(name)
    with shown(progress) as show:
        result = export_shortlist(round, folder, format=format, progress=show)
    if result["missing"]:
        print(f"{len(result['missing']):,} pictures are gone: {', '.join(result['missing'][:10])}", file=sys.stderr)
    print(f"{name}: {result['pictures']:,} pictures as {', '.join(result['files'])} in {folder}")
    print_next(round)


@cases.command("import")
def import_(
    name: CaseName,
    truth: Annotated[Path | None, typer.Option(help="Corrected annotations, of all pictures or of some")] = None,
    predictions: Annotated[Path | None, typer.Option(help="What the retrained detector says of all pictures")] = None,
    format: Annotated[str, typer.Option(help="auto, or the format of both")] = "auto",
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """Bring back corrected annotations and the retrained detector, and measure what has changed."""
    from pipeline.hard_cases.import_back import NAMES, import_annotations
    from pipeline.progress import shown

    round = round_of(name)
    with shown(progress) as show:
        result = import_annotations(round, truth=truth, predictions=predictions, format=format, progress=show)
    if as_json:
        print_json(result)
        return
    for note in result["notes"]:
        print(f"note: {note}", file=sys.stderr)
    for part, change in result["map"].items():
        print(f"{NAMES[part]:18} mAP {interval_text(change['before'])} → {interval_text(change['after'])}")
    print(f"{name}: {result['corrected']:,} pictures have other annotations. {result['sentence']}")
    print_next(round)


@cases.command("next")
def next_(name: CaseName, progress: ProgressKind = "auto") -> None:
    """Begin the next round on what was imported."""
    from pipeline.hard_cases.start import start_next_round

    round = start_next_round(round_of(name).case)
    print(f"{name}: round {round.number}, {len(round.pool):,} pictures to search")
    print_next(round)


@cases.command()
def show(name: CaseName, as_json: AsJson = False) -> None:
    """Where a case stands, and the command that comes next."""
    from pipeline.hard_cases.steps import steps_of, summary

    case = round_of(name).case
    if as_json:
        print_json(summary(case))
        return
    for number in case.numbers:
        round = case.round(number)
        print(f"round {number}: {sizes(round)}")
        for step in steps_of(round):
            print(f"  {step.name:10} {step.state:8} {step.outcome}")
    print_next(case.round())


@cases.command("list")
def list_(as_json: AsJson = False) -> None:
    """Cases, a line each."""
    from pipeline.hard_cases.case import case_names, open_case
    from pipeline.hard_cases.steps import next_step, summary
    from pipeline.settings import Settings

    opened = [open_case(name, Settings()) for name in case_names(Settings())]
    if as_json:
        print_json([summary(case) for case in opened])
        return
    for case in opened:
        print(f"{case.name}  round {case.numbers[-1]}, next: {next_step(case.round())}  {case.about['title']}")
    if not opened:
        print(
            "no cases yet; begin one: python -m pipeline hard-cases start NAME …, or: python -m pipeline hard-cases demo"
        )


@cases.command()
def drop(
    name: CaseName,
    galleries: Annotated[bool, typer.Option("--galleries", help="Its galleries too")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """Delete a case: what it found and what people said. Pictures and the files it was made from stay."""
    import contextlib

    from pipeline.gallery.opening import open_gallery
    from pipeline.hard_cases.case import drop_case, galleries_of, open_case
    from pipeline.ingest import sync
    from pipeline.settings import Settings

    settings = Settings()
    case = open_case(name, settings)
    if not yes:
        typer.confirm(f"delete the case {name}?", abort=True, err=True)
    if galleries:
        for gallery in galleries_of(case):
            with contextlib.closing(sync.open_store(settings)) as store:
                sync.drop(open_gallery(gallery, settings), store)

    drop_case(case)
    print(f"{name}: deleted")
