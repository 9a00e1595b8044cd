"""aspects: look at a gallery's pictures for searches by colour and texture."""

from __future__ import annotations

import typer

from pipeline.cli.console import Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(aspects)


def aspects(name: Name, progress: ProgressKind = "auto") -> None:
    """Note the colour and texture of every picture now; else the first `search --aspects` does."""
    from pipeline.gallery import appearances
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    with shown(progress) as show:
        seen = appearances.of_gallery(gallery, progress=show, again=True)
    unknown = f"; {seen.unknown:,} have neither thumbnail nor file" if seen.unknown else ""
    print(f"{name}: colour and texture of {len(seen.rows.table):,} pictures are known{unknown}")
