"""verify: check a gallery's files and index."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from pipeline.cli.console import Name, ProgressKind, To


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    name: Name,
    to: To = "",
    files: Annotated[
        bool, typer.Option("--files", help="Read the pictures' own files too: gone or changed ones")
    ] = False,
    progress: ProgressKind = "auto",
) -> None:
    """Check the gallery's files, and that Milvus holds exactly the same; exit 1 when something differs."""
    from pipeline.errors import GalleryError, StoreError, StoreLocked
    from pipeline.exchange.mongodb import without_password
    from pipeline.gallery.integrity import check_files, check_originals
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest.sync import compare, open_store
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings(milvus_uri=to) if to else Settings()
    gallery = open_gallery(name, settings)
    problems = check_files(gallery)
    if files:
        with shown(progress) as show:
            problems += check_originals(gallery, progress=show)
    checked = f"{'pictures, ' if files else ''}files and index"
    try:
        with contextlib.closing(open_store(settings)) as store:
            if difference := compare(gallery, store):
                again = f" --to {without_password(to)}" if to else ""
                problems.append(f"index: {difference}; repair it with: python -m pipeline sync {name}{again}")
    except StoreLocked as error:
        checked = checked.replace(" and index", " only")
        print(f"the index was not checked: {error}", file=sys.stderr)
    except StoreError as error:
        problems.append(f"index: {error}")
    except GalleryError as error:
        if str(error) not in problems:
            problems.append(str(error))
    for problem in problems:
        print(f"{name}: {problem}")
    if problems:
        sys.exit(1)
    print(f"{name}: {gallery.info().rows:,} rows, {checked} checked, nothing wrong")
