"""remove, restore and compact: pictures taken out of a gallery, brought back, and dropped for good."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.console import Ids, Name, Yes, each, show_in_index


def register(app: typer.Typer) -> None:
    for verb in (remove, restore, compact):
        app.command()(verb)


def remove(
    name: Name,
    ids: Annotated[
        list[str] | None, typer.Option("--ids", help="Ids of pictures, repeated or separated by commas")
    ] = None,
    gone: Annotated[
        bool, typer.Option("--gone", help="Those whose files were not there at the last ingest of their dataset")
    ] = False,
) -> None:
    """Take pictures out of every answer; `restore` undoes it."""
    from pipeline.errors import UsageError
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    pictures = each(ids or [])
    if bool(pictures) == gone:
        raise UsageError("say which pictures: --ids ID,ID… or --gone")
    if gone and not (pictures := sorted(open_gallery(name, Settings()).gone())):
        print(f"{name}: no picture is listed as gone; `ingest` looks, and `verify {name} --files` reads every file")
        return
    _judge(name, pictures, removing=True)
    print(f"{name}: {len(pictures):,} removed; undo: python -m pipeline restore {name} --ids {','.join(pictures)}")


def restore(name: Name, ids: Ids) -> None:
    """Bring removed pictures back."""
    pictures = each(ids)
    _judge(name, pictures, removing=False)
    print(f"{name}: {len(pictures):,} restored")


def compact(name: Name, yes: Yes = False) -> None:
    """Drop removed pictures for good."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    count = gallery.info().removed
    if count and not yes:
        typer.confirm(f"drop {count:,} removed pictures of {name} for good?", abort=True, err=True)
    print(f"{name}: {gallery.compact():,} rows dropped")


def _judge(name: str, ids: list[str], *, removing: bool) -> None:
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    (gallery.remove if removing else gallery.restore)(ids)
    show_in_index(gallery, ids)
