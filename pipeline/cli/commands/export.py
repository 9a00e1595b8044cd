"""export and import: a gallery's rows as one file, and a gallery made of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import Name, ProgressKind, fill_index


def register(app: typer.Typer) -> None:
    app.command()(export)
    app.command("import")(import_)


def export(
    name: Name,
    target: Annotated[
        str,
        typer.Argument(
            help="A .parquet, .npz or .bson file, mongodb://HOST/DATABASE, or mongodb:// for that of SEMBLANCE_MONGODB"
        ),
    ],
    for_milvus: Annotated[
        bool, typer.Option("--milvus-import", help="TARGET is a new folder, for the files that Milvus imports in bulk")
    ] = False,
    progress: ProgressKind = "auto",
) -> None:
    """Write a gallery's rows and embeddings to one file, or to a MongoDB collection of the gallery's name."""
    from pipeline.exchange import exchange
    from pipeline.exchange.mongodb import configured, without_password
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    target = configured(target, Settings())
    with shown(progress) as show:
        if for_milvus:
            gallery = open_gallery(name, Settings())
            files = exchange.write_bulk(gallery, Path(target), progress=show)
            print(f"{len(files):,} files in {target} for the collection {gallery.collection()}")
            return
        count = exchange.export_gallery(open_gallery(name, Settings()), target, progress=show)
    print(f"{count:,} rows written to {without_password(target)}")


def import_(
    name: Name,
    source: Annotated[
        str,
        typer.Argument(
            help="A .parquet, .npz or .bson file that `export` wrote, mongodb://HOST/DATABASE, or mongodb:// for that of SEMBLANCE_MONGODB"
        ),
    ],
    progress: ProgressKind = "auto",
) -> None:
    """Make a new gallery from an exported file, or from a MongoDB collection of its name."""
    from pipeline.exchange import exchange
    from pipeline.exchange.mongodb import configured
    from pipeline.settings import Settings

    settings = Settings()
    gallery = exchange.import_gallery(name, configured(source, settings), settings)
    print(f"{name}: {gallery.info().rows:,} rows imported; ingest the pictures' folder to see their thumbnails")
    fill_index(gallery, settings, progress)
