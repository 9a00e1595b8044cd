"""add-facts: what a table or sidecar files say becomes metadata of pictures that are there already."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import AsJson, Name, change_index

if TYPE_CHECKING:
    from pipeline.ingest.facts_matching import Matched

MAX_NAMED = 10  # rows without a picture that are named


def register(app: typer.Typer) -> None:
    app.command()(add_facts)


def add_facts(
    name: Name,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="CSV, Excel, Parquet, COCO's or another JSON, .xmp; or a folder with .json and .xmp beside pictures"
        ),
    ] = None,
    path: Annotated[
        str, typer.Option(help="The column that holds path, file name or id; default: found by its content")
    ] = "",
    columns: Annotated[str, typer.Option(help="Only these columns: price,taken")] = "",
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="What a column is: price=number; text, number, date, boolean, list, list| or place. Without FILE: of facts that are there"
        ),
    ] = None,
    dates: Annotated[str, typer.Option(help="How 3/5/2024 is meant: dmy or mdy; default: as the column shows")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would match; nothing is written")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was added last")] = False,
    as_json: AsJson = False,
) -> None:
    """Add facts to the metadata of pictures that are in the gallery, or say what kind they are; no picture is read."""
    from pipeline.errors import UsageError, display_name
    from pipeline.gallery import asked
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import add_facts as adding
    from pipeline.ingest import facts_files, facts_matching
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    kinds = dict(_part(text) for text in kind or [])
    if undo + (file is not None) + (file is None and bool(kinds)) != 1:
        raise UsageError("name a file, or say --kind FACT=KIND of facts that are there, or --undo")
    if undo:
        print(f"{name}: {adding.undo(gallery):,} pictures have the metadata again that they had before")
        change_index(gallery, settings)
        return
    if file is None:
        asked.choose_kinds(gallery, kinds)
        print(f"{name}: {', '.join(display_name(f'{key} is {said}') for key, said in kinds.items())}")
        return
    if not file.exists():
        raise UsageError(f"there is no file {file}; check the spelling or give the full path")
    table = facts_files.read(file, column=path)
    wanted = [one.strip() for one in columns.split(",") if one.strip()] or None
    matched = facts_matching.match(gallery, table, columns=wanted, dates=dates, kinds=kinds)
    if as_json:
        print(json.dumps(facts_matching.as_json(matched, len(table.cells)), ensure_ascii=False))
    else:
        _say(name, matched, len(table.cells))
    if plan:
        for picture, values in [] if as_json else list(matched.values.items())[:3]:
            print(f"{picture}  {', '.join(display_name(f'{key}={text}') for key, text in values.items())}")
        return
    adding.add(gallery, matched)
    print(
        f"{name}: {len(matched.values):,} pictures have them; back again: python -m pipeline add-facts {name} --undo",
        file=sys.stderr if as_json else sys.stdout,
    )
    change_index(gallery, settings)


def _part(text: str) -> tuple[str, str]:
    from pipeline.errors import UsageError

    column, sign, kind = text.rpartition("=")
    if not sign or not column:
        raise UsageError(f"cannot read the kind {text!r}; write COLUMN=KIND, such as price=number")
    return column, kind.strip()


def _say(name: str, matched: Matched, rows: int) -> None:
    from pipeline.errors import display_name, listed

    by = ", ".join(f"{count:,} by {what}" for what, count in matched.by.most_common()) or "none"
    columns = listed(f"{column} ({kind})" for column, kind in matched.kinds.items())
    print(
        f"{name}: {matched.by.total():,} of {rows:,} rows match by {display_name(matched.column)} ({by}), columns {columns}"
    )
    for column, (count, one) in matched.unread.items():
        said = f"{display_name(column)}: {count:,} cells are no {matched.kinds[column]}, such as {display_name(one)}"
        print(said, file=sys.stderr)
    for why, lines in (("no picture has", matched.unmatched), ("several pictures have", matched.ambiguous)):
        for line, said in lines[:MAX_NAMED]:
            print(f"row {line}: {why} the name {display_name(said)}", file=sys.stderr)
        if len(lines) > MAX_NAMED:
            print(f"… and {len(lines) - MAX_NAMED:,} more that {why}", file=sys.stderr)
    for note in matched.notes:
        print(note, file=sys.stderr)
