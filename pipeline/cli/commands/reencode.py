"""reencode: give a gallery another encoder."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from pipeline.cli.console import Device, Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(reencode)


def reencode(
    name: Name,
    encoder: Annotated[str, typer.Option(help="The new encoder")] = "",
    pca: Annotated[int, typer.Option(min=0, help="Shorten the current embeddings to so many dimensions")] = 0,
    dim: Annotated[int, typer.Option(min=0, help="Keep the first so many numbers of deep_ranking's embeddings")] = 0,
    back: Annotated[bool, typer.Option("--back", help="Return to the encoder before the last change")] = False,
    device: Device = "",
    progress: ProgressKind = "auto",
) -> None:
    """Change a gallery's encoder: a new collection is filled and verified, then the alias moves."""
    from pipeline import plugins
    from pipeline.errors import StoreLocked, UsageError
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import reencode as reencoding
    from pipeline.ingest import sync
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    if sum(map(bool, (encoder, pca, dim, back))) != 1:
        raise UsageError("say one of --encoder SPEC, --pca D, --dim D or --back")
    with contextlib.ExitStack() as stack:
        store, locked, show = None, None, stack.enter_context(shown(progress))
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
        except StoreLocked as error:
            locked = error
            print(f"{error}. An open app fills the new collection by itself", file=sys.stderr)
        if back:
            spec = reencoding.go_back(gallery, store)
        elif pca:
            spec = reencoding.shorten(gallery, pca, store=store, progress=show)
        elif dim:
            spec = reencoding.cut(gallery, dim, store=store, progress=show)
        else:
            built = plugins.build("encoders", encoder, device=device or settings.device)
            full = plugins.absolute("encoders", encoder)
            spec = reencoding.reencode(gallery, built, spec=full, store=store, progress=show)
        if locked and locked.passing and (failure := sync.index_later(gallery, settings, locked, progress=show)):
            print(f"the index was not updated: {failure}; later: python -m pipeline sync {name}", file=sys.stderr)
            sys.exit(1)
    print(f"{name}: now {spec}; return with: python -m pipeline reencode {name} --back")
