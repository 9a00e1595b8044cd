"""relabel: pictures get another label, and their dataset's again."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from pipeline.cli.console import Ids, Name, each, show_in_index


def register(app: typer.Typer) -> None:
    app.command()(relabel)


def relabel(
    name: Name,
    ids: Ids,
    label: Annotated[str | None, typer.Option("--label", help="The label; '' takes the label away")] = None,
    back: Annotated[bool, typer.Option("--back", help="The label of their dataset again")] = False,
) -> None:
    """Give pictures another label, which search, figures, exports and fine-tuning use; files and later ingests leave it."""
    from pipeline.errors import UsageError
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    if (label is None) != back:
        raise UsageError("say which label: --label LABEL, or --back for the one of the dataset")
    gallery, pictures = open_gallery(name, Settings()), each(ids)
    gallery.relabel(dict.fromkeys(pictures, label))
    show_in_index(gallery, pictures)
    if label is None:
        print(f"{name}: {len(pictures):,} have the label of their dataset again")
        return
    undo = shlex.join(["python", "-m", "pipeline", "relabel", name, "--back", "--ids", ",".join(pictures)])
    print(f"{name}: {len(pictures):,} labelled {label!r}; the labels of their dataset again: {undo}")
