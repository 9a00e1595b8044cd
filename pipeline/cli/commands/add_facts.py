"""add-facts: a table's columns become metadata of pictures that are there already."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import Name

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery

MAX_NAMED = 10  # rows without a picture that are named


def register(app: typer.Typer) -> None:
    app.command()(add_facts)


def add_facts(
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="CSV, Excel or Parquet: a row a picture")] = None,
    path: Annotated[str, typer.Option(help="The column that holds path, file name or id of the picture")] = "path",
    columns: Annotated[str, typer.Option(help="Only these columns: price,taken")] = "",
    dates: Annotated[str, typer.Option(help="How 3/5/2024 is meant: dmy or mdy; default: as the column shows")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would match; nothing is written")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was added last")] = False,
) -> None:
    """Add a table's columns to the metadata of pictures that are in the gallery; no picture is read."""
    from pipeline import plugins
    from pipeline.errors import UsageError, display_name
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import add_facts as adding
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    if undo == (file is not None):
        raise UsageError("name a table, or say --undo")
    if file is None:
        print(f"{name}: {adding.undo(gallery):,} pictures have the metadata again that they had before")
        _sync(gallery)
        return
    table = plugins.build("datasets", "table", file=str(file), path=path)
    lines, cells, _ = table.read()
    named = table.columns(list(cells.columns))["path"]
    wanted = [one.strip() for one in columns.split(",") if one.strip()] or [
        one for one in cells.columns if one != named
    ]
    if unknown := [one for one in wanted if one not in cells.columns]:
        raise UsageError(f"{file.name} has no column {unknown[0]!r}; its columns are {', '.join(cells.columns)}")
    matched = adding.match(gallery, lines, cells[[named, *wanted]], column=named, dates=dates)
    by = ", ".join(f"{count:,} by {what}" for what, count in matched.by.most_common()) or "none"
    print(
        f"{name}: {matched.by.total():,} of {len(cells):,} rows match ({by}), columns {', '.join(map(display_name, wanted))}"
    )
    for why, rows in (("no picture has", matched.unmatched), ("several pictures have", matched.ambiguous)):
        for line, said in rows[:MAX_NAMED]:
            print(f"row {line}: {why} the name {display_name(said)}", file=sys.stderr)
        if len(rows) > MAX_NAMED:
            print(f"… and {len(rows) - MAX_NAMED:,} more that {why}", file=sys.stderr)
    for note in matched.notes:
        print(note, file=sys.stderr)
    if plan:
        for picture, values in list(matched.values.items())[:3]:
            print(f"{picture}  {', '.join(display_name(f'{key}={text}') for key, text in values.items())}")
        return
    adding.add(gallery, matched)
    print(f"{name}: {len(matched.values):,} pictures have them; back again: python -m pipeline add-facts {name} --undo")
    _sync(gallery)


def _sync(gallery: Gallery) -> None:
    from pipeline.errors import StoreError
    from pipeline.ingest import sync
    from pipeline.settings import Settings

    try:
        with contextlib.closing(sync.open_store(Settings())) as store:
            sync.sync(gallery, store)
    except StoreError as error:
        print(f"kept on disk; the index follows at the next sync: {error}", file=sys.stderr)
