"""Verbs that keep a gallery as one file: backup, restore-backup."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore_backup)


def backup(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A new .zip or .tar")],
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Write everything of a gallery to one file; the app may stay open."""
    from pipeline.exchange import backup as backups
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    with shown(progress) as show:
        report = backups.back_up(open_gallery(name, Settings()), file, progress=show)
    if as_json:
        print(json.dumps(dataclasses.asdict(report) | {"file": str(file)}))
        return
    print(f"{name}: {report.rows:,} rows, {report.files:,} files and {report.bytes:,} bytes written to {file}")


def restore_backup(
    file: Annotated[Path, typer.Argument(help="A .zip or .tar that `backup` wrote")],
    name: Annotated[str, typer.Option(help="Another name for the gallery")] = "",
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a gallery of a backup, once every file in it is found whole; no gallery is overwritten."""
    from pipeline.exchange import backup as backups
    from pipeline.progress import shown
    from pipeline.settings import Settings

    with shown(progress) as show:
        report = backups.restore(file, Settings(), name=name, progress=show)
    if as_json:
        print(json.dumps(dataclasses.asdict(report) | {"file": str(file)}))
        return
    print(
        f"{report.gallery}: {report.rows:,} rows, {report.files:,} files restored, every checksum right; fill its index: "
        f"python -m pipeline sync {report.gallery}"
    )
