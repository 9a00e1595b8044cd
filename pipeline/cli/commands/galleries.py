"""galleries and drop: what galleries there are, and one fewer."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys

import typer

from pipeline.cli.console import AsJson, Name, Yes


def register(app: typer.Typer) -> None:
    app.command()(galleries)
    app.command()(drop)


def galleries(as_json: AsJson = False) -> None:
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


def drop(name: Name, yes: Yes = False) -> None:
    """Delete a gallery: its folder and its collections. The pictures themselves stay."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    if not yes:
        typer.confirm(f"delete gallery {name} with {gallery.info().rows:,} pictures' embeddings?", abort=True, err=True)
    with contextlib.closing(sync.open_store(settings)) as store:
        sync.drop(gallery, store)
    print(f"{name}: deleted")
