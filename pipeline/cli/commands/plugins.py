"""encoders, datasets and indexes: the plugins of each kind, their options and what those that cannot be used need."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import typer

from pipeline.cli.console import AsJson, Device, ProgressKind


def register(app: typer.Typer) -> None:
    for verb in (encoders, datasets, indexes):
        app.command()(verb)


def encoders(
    measure: Annotated[
        list[str] | None, typer.Option(help="Measure this encoder's speed here instead; repeated")
    ] = None,
    device: Device = "",
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """The encoders and their options, or how many pictures a second some of them encode on this machine."""
    if not measure:
        list_plugins("encoders")
        return
    from pipeline.comparison import speeds
    from pipeline.progress import shown
    from pipeline.settings import Settings

    with shown(progress) as show:
        measured = speeds.measure(measure, device=device or Settings().device, progress=show)
    if as_json:
        print(json.dumps([{"encoder": spec} | dataclasses.asdict(speed) for spec, speed in measured.items()]))
        return
    for spec, speed in measured.items():
        print(f"{spec:50s} {speed.pictures_per_second:8,.0f}/s  {speed.dim:5d} dimensions")


def datasets() -> None:
    """The kinds of dataset and their options."""
    list_plugins("datasets")


def indexes(as_json: AsJson = False) -> None:
    """The indexes that can be compared, their options, and what those that cannot be used need."""
    from pipeline import plugins

    rows: list[dict[str, Any]] = [
        {
            "index": name,
            "summary": plugins.card("indexes", name).summary,
            "licence": plugins.card("indexes", name).licence,
            "source": plugins.card("indexes", name).source,
            "missing": plugins.missing("indexes", name),
            "options": {option.name: option.default for option in plugins.options("indexes", name)},
            "usual": list(plugins.usual("indexes", name)),
        }
        for name in plugins.available("indexes")
    ]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['index']}: {row['summary']}" + (f"  [not there: {row['missing']}]" if row["missing"] else ""))
        print("    " + (", ".join(f"{key}={value!r}" for key, value in row["options"].items()) or "no options"))


def list_plugins(kind: str) -> None:
    """The plugins of a kind, an option a line."""
    from pipeline import plugins

    for name in plugins.available(kind):
        card, needs = plugins.card(kind, name), plugins.missing(kind, name)
        marks = ("  [takes words]" if card.words else "") + (f"  [not installed: {needs}]" if needs else "")
        print(f"{name}: {card.summary}{marks}")
        for option in plugins.options(kind, name):
            choices = f", one of {', '.join(option.choices)}" if option.choices else ""
            print(f"    {option.name}={'…, needed' if option.required else repr(option.default)}{choices}")
