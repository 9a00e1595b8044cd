"""relabel: pictures get another label, and their dataset's again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import Ids, Name, each, show_in_index

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery

MAX_NAMED = 10  # pictures without an answer that are named


def register(app: typer.Typer) -> None:
    app.command()(relabel)


def relabel(
    name: Name,
    ids: Ids = [],  # noqa: B006  # typer makes it anew
    label: Annotated[str | None, typer.Option("--label", help="The label; '' takes the label away")] = None,
    back: Annotated[bool, typer.Option("--back", help="The label of their dataset again")] = False,
    answers: Annotated[
        Path | None,
        typer.Option("--from", help="Labels that Label Studio, CVAT or COCO's JSON gives; see to-label --tasks"),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="With --from: only say what would change")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="As it was before the last --from")] = False,
) -> None:
    """Give pictures another label, which search, figures, exports and fine-tuning use; files and later ingests leave it."""
    from pipeline.errors import UsageError
    from pipeline.exchange import labelling
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    gallery, pictures = open_gallery(name, Settings()), each(ids)
    if undo and not (answers or ids or back or plan or label is not None):
        taken = labelling.take_back(gallery)
        show_in_index(gallery, taken)
        print(f"{name}: {len(taken):,} have the label again that they had before")
        return
    if answers and not (undo or ids or back or label is not None):
        _bring_back(gallery, answers, plan)
        return
    if (label is None) != back or answers or plan or undo or not ids:
        raise UsageError(
            "say which label and of what: --ids with --label LABEL, or with --back for the one of the dataset; or --from FILE; or --undo"
        )
    gallery.relabel(dict.fromkeys(pictures, label))
    show_in_index(gallery, pictures)
    if label is None:
        print(f"{name}: {len(pictures):,} have the label of their dataset again")
        return
    way_back = shlex.join(["python", "-m", "pipeline", "relabel", name, "--back", "--ids", ",".join(pictures)])
    print(f"{name}: {len(pictures):,} labelled {label!r}; the labels of their dataset again: {way_back}")


def _bring_back(gallery: Gallery, file: Path, plan: bool) -> None:
    from pipeline.errors import UsageError, display_name
    from pipeline.exchange import labelling

    if not file.is_file():
        raise UsageError(f"there is no file {file}; check the spelling or give the full path")
    found = labelling.answers(gallery, file)
    changed = labelling.changed(gallery, found)
    for why, names in (("is no picture here, or several", found.unmatched), ("has several labels", found.undecided)):
        for one in names[:MAX_NAMED]:
            print(f"{display_name(one)} {why}", file=sys.stderr)
        if len(names) > MAX_NAMED:
            print(f"… and {len(names) - MAX_NAMED:,} more", file=sys.stderr)
    said = f"{gallery.name}: {len(found.labels):,} labels in {file.name}, {len(changed):,} of them new"
    if plan or not changed:
        print(said)
        return
    labelling.bring(gallery, changed)
    show_in_index(gallery, list(changed))
    print(f"{said}; as they were before: python -m pipeline relabel {gallery.name} --undo")
