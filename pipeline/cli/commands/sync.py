"""sync: make Milvus agree with a gallery."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import ProgressKind, To

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.records import Progress, VectorStore


def register(app: typer.Typer) -> None:
    app.command()(sync)


def sync(
    name: Annotated[str, typer.Argument(help="Gallery: a-z, 0-9, _", metavar="NAME")] = "",
    to: To = "",
    every: Annotated[bool, typer.Option("--all", help="Every gallery, instead of NAME")] = False,
    progress: ProgressKind = "auto",
) -> None:
    """Make Milvus agree with the gallery on disk, and check row by row that it does; again, it goes on."""
    from pipeline.errors import SemblanceError, StoreLocked, UsageError
    from pipeline.gallery import opening
    from pipeline.ingest.sync import open_store
    from pipeline.progress import shown
    from pipeline.settings import Settings

    if bool(name) == every:
        raise UsageError("say which gallery: NAME, or --all for every one")
    settings = Settings(milvus_uri=to) if to else Settings()
    names = opening.names(settings) if every else [opening.open_gallery(name, settings).name]
    try:
        store = open_store(settings)
    except StoreLocked as error:
        raise StoreLocked(f"{error}. An open app brings its own index up to date by itself") from None
    failed = False
    with contextlib.closing(store):
        for gallery_name in names:
            try:
                gallery = opening.open_gallery(gallery_name, settings)
                if every and not gallery.current:  # no pictures yet
                    continue
                with shown(progress) as show:
                    summary = _sync(gallery, store, show)
                print(summary)
            except SemblanceError as error:
                if not every:
                    raise
                failed = True
                print(f"error: {gallery_name}: {error}", file=sys.stderr)
    if failed:
        sys.exit(1)


def _sync(gallery: Gallery, store: VectorStore, show: Progress) -> str:
    from pipeline.ingest.sync import sync

    with gallery.writing():
        difference = sync(gallery, store, progress=show)
        about = store.describe(gallery.collection())
    return (
        f"{gallery.name}: {difference} before; now equal, row by row: {about['rows']:,} rows in {about['backend']} at "
        f"{about['place']}"
    )
