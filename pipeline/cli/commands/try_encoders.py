"""try-encoders: several encoders on some of a gallery's pictures."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from pipeline.cli.console import AsJson, Device, Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(try_encoders)


def try_encoders(
    name: Name,
    encoder: Annotated[list[str], typer.Option(help="An encoder to try; repeated")],
    sample: Annotated[int, typer.Option(min=2, help="How many of the gallery's pictures")] = 300,
    device: Device = "",
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Speed, size and map_at_r of several encoders on some of this gallery's pictures; nothing is changed."""
    from pipeline.comparison import encoders as comparing
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.search.text import takes_words
    from pipeline.settings import Settings

    settings = Settings()
    with shown(progress) as show:
        trials = comparing.try_encoders(
            open_gallery(name, settings), encoder, sample=sample, device=device or settings.device, progress=show
        )
    takers = [trial.encoder for trial in trials if not trial.error and takes_words(trial.encoder)]
    if as_json:
        rows = [dataclasses.asdict(trial) | {"words": trial.encoder in takers} for trial in trials]
        print(json.dumps([{key: value if value == value else None for key, value in row.items()} for row in rows]))
        return
    for trial in trials:
        figures = f"map_at_r {trial.map_at_r:.3f}  {trial.pictures_per_second:8,.0f}/s  {trial.dim:5d} dimensions"
        figures += "  takes words" if trial.encoder in takers else ""
        print(f"{trial.encoder:50s} {trial.error or figures}")
