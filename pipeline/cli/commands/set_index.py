"""The verb that gives a gallery another index in Milvus: set-index."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from pipeline.cli.console import Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(set_index)


def set_index(
    name: Name,
    index: Annotated[
        str, typer.Argument(help="auto, flat, hnsw:ef=128, ivf_flat:nprobe=32, …; compare-indexes measures them")
    ],
    progress: ProgressKind = "auto",
) -> None:
    """Give the gallery another index in Milvus and fill it; pictures and embeddings stay as they are."""
    from pipeline.comparison import index_advice
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync
    from pipeline.progress import shown
    from pipeline.settings import Settings

    setting = index_advice.checked_setting(index)
    settings = Settings()
    gallery = open_gallery(name, settings)
    with contextlib.closing(sync.open_store(settings)) as store:
        sync.choose_index(gallery, store, setting)
        with shown(progress) as show:
            sync.sync(gallery, store, progress=show)
        about = store.describe(gallery.collection())
    print(f"{name}: {about['rows']:,} rows in {about['backend']}, index {about['settings']}")
