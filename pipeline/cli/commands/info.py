"""Verbs that tell: galleries, encoders, datasets, doctor."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout")]


def register(app: typer.Typer) -> None:
    for verb in (galleries, encoders, datasets, doctor):
        app.command()(verb)


def galleries(as_json: Json = False) -> None:
    """The galleries, their pictures and encoders."""
    from pipeline.errors import GalleryError
    from pipeline.gallery import opening
    from pipeline.settings import Settings

    settings = Settings()
    infos, damaged = [], []
    for name in opening.names(settings):
        try:
            infos.append(opening.open_gallery(name, settings).info())
        except GalleryError as error:
            damaged.append(str(error))
    for problem in damaged:
        print(problem, file=sys.stderr)
    if as_json:
        print(json.dumps([dataclasses.asdict(info) for info in infos], ensure_ascii=False))
        return
    for info in infos:
        print(f"{info.name:24s} {info.rows:>9,} pictures  {info.encoder}  ({info.dim} dimensions)  {info.title}")
    if damaged:
        sys.exit(1)
    if not infos:
        print(
            "no galleries yet; make one: python -m pipeline demo, or: python -m pipeline ingest my_photos "
            "--dataset folder:root=PATH"
        )


def encoders() -> None:
    """The encoders and their options."""
    list_plugins("encoders")


def datasets() -> None:
    """The kinds of dataset and their options."""
    list_plugins("datasets")


def list_plugins(kind: str) -> None:
    from pipeline import plugins

    for name in plugins.available(kind):
        card, needs = plugins.card(kind, name), plugins.missing(kind, name)
        marks = ("  [takes words]" if card.words else "") + (f"  [not installed: {needs}]" if needs else "")
        print(f"{name}: {card.summary}{marks}")
        for option in plugins.options(kind, name):
            choices = f", one of {', '.join(option.choices)}" if option.choices else ""
            print(f"    {option.name}={'…, needed' if option.required else repr(option.default)}{choices}")


def doctor(as_json: Json = False) -> None:
    """Versions, disk, who holds the embedded Milvus, ports: what to send with a question."""
    from pipeline.cli.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps(findings, ensure_ascii=False))
        return
    for key, value in findings.items():
        print(f"{key:24s} {value}")
