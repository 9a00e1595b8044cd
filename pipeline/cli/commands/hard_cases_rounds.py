"""Verbs of hard-cases about what goes out, comes back and stays: export, import, next, show, list, drop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.commands.hard_cases import AsJson, CaseName, as_json_text, cases, figure, round_of, say_next
from pipeline.cli.console import ProgressKind


def register(app: typer.Typer) -> None:
    """They belong to `hard-cases`, which is there already."""
    for name, verb in (
        ("export", export), ("import", import_), ("next", next_), ("show", show), ("list", list_), ("drop", drop),
    ):  # fmt: skip
        cases.command(name)(verb)


def export(
    name: CaseName,
    folder: Annotated[Path, typer.Argument(help="Made when missing", metavar="DIR")],
    format: Annotated[str, typer.Option(help="coco, csv or zip (pictures, boxes drawn, both files)")] = "coco",
    progress: ProgressKind = "auto",
) -> None:
    """Write the shortlist to be annotated again."""
    from pipeline.hard_cases import export as hard_cases_export
    from pipeline.progress import shown

    turn = round_of(name)
    with shown(progress) as show:
        result = hard_cases_export.export(turn, folder, format=format, progress=show)
    if result["missing"]:
        print(f"{len(result['missing']):,} pictures are gone: {', '.join(result['missing'][:10])}", file=sys.stderr)
    print(f"{name}: {result['pictures']:,} pictures as {', '.join(result['files'])} in {folder}")
    say_next(turn)


def import_(
    name: CaseName,
    truth: Annotated[Path | None, typer.Option(help="Corrected annotations, of all pictures or of some")] = None,
    predictions: Annotated[Path | None, typer.Option(help="What the retrained detector says of all pictures")] = None,
    format: Annotated[str, typer.Option(help="auto, or the format of both")] = "auto",
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """Bring back corrected annotations and the retrained detector, and measure what has changed."""
    from pipeline.hard_cases import import_back
    from pipeline.progress import shown

    turn = round_of(name)
    with shown(progress) as show:
        result = import_back.take_back(turn, truth=truth, predictions=predictions, format=format, progress=show)
    if as_json:
        as_json_text(result)
        return
    for note in result["notes"]:
        print(f"note: {note}", file=sys.stderr)
    for key, one in result["map"].items():
        print(f"{import_back.NAMES[key]:18} mAP {figure(one['before'])} → {figure(one['after'])}")
    print(f"{name}: {result['corrected']:,} pictures have other annotations. {result['sentence']}")
    say_next(turn)


def next_(name: CaseName, progress: ProgressKind = "auto") -> None:
    """Begin the next round on what was imported."""
    from pipeline.hard_cases import start

    case = round_of(name).case
    number = start.begin_next(case)
    print(f"{name}: round {number}, {len(case.round().split['haystack']):,} pictures to search")
    say_next(case.round())


def show(name: CaseName, as_json: AsJson = False) -> None:
    """Where a case stands, and the command that comes next."""
    from pipeline.hard_cases import steps

    case = round_of(name).case
    if as_json:
        as_json_text(steps.summary(case))
        return
    for number in case.numbers:
        turn = case.round(number)
        split = turn.split
        print(
            f"round {number}: {len(split['haystack']):,} pictures to search, {len(split['reference']):,} reference pictures"
        )
        for step in steps.steps(turn):
            print(f"  {step.name:10} {step.state:8} {step.said}")
    say_next(case.round())


def list_(as_json: AsJson = False) -> None:
    """Cases, a line each."""
    from pipeline.hard_cases import case as hard_cases
    from pipeline.hard_cases import steps
    from pipeline.settings import Settings

    found = [hard_cases.open_case(name, Settings()) for name in hard_cases.names(Settings())]
    if as_json:
        as_json_text([steps.summary(case) for case in found])
        return
    for case in found:
        print(f"{case.name}  round {case.numbers[-1]}, next: {steps.next_step(case.round())}  {case.about['title']}")
    if not found:
        print(
            "no cases yet; begin one: python -m pipeline hard-cases start NAME …, or: python -m pipeline hard-cases demo"
        )


def drop(
    name: CaseName,
    galleries: Annotated[bool, typer.Option("--galleries", help="Its galleries too")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """Delete a case: what it found and what people said. Pictures and the files it was made from stay."""
    import contextlib

    from pipeline.gallery.opening import open_gallery
    from pipeline.hard_cases import case as hard_cases
    from pipeline.ingest import sync
    from pipeline.settings import Settings

    settings = Settings()
    case = hard_cases.open_case(name, settings)
    if not yes:
        typer.confirm(f"delete the case {name}?", abort=True, err=True)
    if galleries:
        for one in hard_cases.galleries_of(case):
            with contextlib.closing(sync.open_store(settings)) as store:
                sync.drop(open_gallery(one, settings), store)
    hard_cases.drop(case)
    print(f"{name}: deleted")
