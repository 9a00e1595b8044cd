"""kinds: what the pictures of a gallery show, as metadata to filter by."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.console import Name, change_index

MAX_SHOWN = 12


def register(app: typer.Typer) -> None:
    app.command()(kinds)


def kinds(
    name: Name,
    off: Annotated[bool, typer.Option("--off", help="Take the names away, and give none at later ingests")] = False,
) -> None:
    """Name what every picture shows, from its embedding; an ingest does it for pictures without a label."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest.kinds import name_what_is_shown
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    shown = name_what_is_shown(gallery, on=not off)
    if off:
        print(f"{name}: no picture says what it shows any more")
    else:
        named = [(word, count) for word, count in shown.most_common() if word]
        print(
            f"{name}: {shown.total() - shown['']:,} of {shown.total():,} pictures say what they show, in {len(named):,} words"
        )
        for word, count in named[:MAX_SHOWN]:
            print(f"{count:7,}  shows={word}")
    change_index(gallery, settings)
