"""The verb that says which pictures to label next: to-label."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind

MAX_ROWS = 20  # rows on a terminal


def register(app: typer.Typer) -> None:
    app.command()(to_label)


def to_label(
    name: Name,
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures")] = 100,
    by: Annotated[str, typer.Option(help="covering, diverse, typical, balanced, uncertain or mix")] = "covering",
    where: Annotated[list[str] | None, typer.Option(help="Only pictures that pass, as in search")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Choose among pictures that have a label too")] = False,
    tag: Annotated[str, typer.Option(help="Give the pictures this tag")] = "",
    csv: Annotated[Path | None, typer.Option(help="Write the pictures to this file")] = None,
    tasks: Annotated[
        Path | None,
        typer.Option(help="Write the pictures as tasks of --format; relabel --from brings the answers back"),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="label_studio, cvat or coco")] = "label_studio",
    url: Annotated[
        str, typer.Option(help="What Label Studio finds a picture's path behind; default: its local files")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures")] = 0,
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Pictures whose labels would tell the most about the others; kept in the gallery's reports."""
    from pipeline import filters
    from pipeline.analysis import to_label as choosing
    from pipeline.errors import UsageError, display_name, spreadsheet_cell
    from pipeline.exchange import labelling
    from pipeline.files import atomic
    from pipeline.gallery import reports, tags
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    for file in filter(None, (csv, tasks)):
        if not file.absolute().parent.is_dir():
            raise UsageError(f"no folder {file.parent} for the list; make it first")
    if form not in labelling.FORMATS:
        raise UsageError(f"no format {form!r}; choose from {', '.join(labelling.FORMATS)}")
    tag = tags.checked(tag) if tag else ""
    with shown(progress) as show:
        report_name = choosing.choose(
            gallery, count, by=by, where=filters.parse(where or []), everything=everything, seed=seed, progress=show
        )
    report, table = reports.read(gallery, report_name), reports.table(gallery, report_name)
    if tag:
        tags.tag(gallery, table["id"].tolist(), tag)
        print(f"{len(table):,} pictures have the tag {display_name(tag)}", file=sys.stderr)
    if csv:
        table.map(spreadsheet_cell).to_csv(csv, index=False, lineterminator="\r\n")
        print(f"{len(table):,} rows in {csv}", file=sys.stderr)
    if tasks:
        texts = labelling.tasks(gallery, table["id"].tolist(), form, url=url or labelling.LOCAL)
        for ending, text in texts.items():
            file = tasks.with_name(tasks.stem + ending) if ending else tasks
            with atomic.replacing(file) as temporary:
                temporary.write_text(text, encoding="utf-8")
            print(f"{form}: {file}", file=sys.stderr)
    if as_json:
        rows = json.loads(table.to_json(orient="records"))
        print(json.dumps(report | {"report": report_name, "rows_listed": rows}, ensure_ascii=False))
        return
    for row in table.head(MAX_ROWS).itertuples():
        print(f"{row.rank:4d}  {row.way:15s}  {row.id}  {display_name(row.path)}")
    if len(table) > MAX_ROWS:
        print(f"… and {len(table) - MAX_ROWS:,} more: --csv or --tag keeps them", file=sys.stderr)
    print(f"{name}: {len(table):,} of {report['free']:,} pictures; {choosing.said(report)}; kept as {report_name}")
