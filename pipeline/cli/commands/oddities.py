"""Verbs that say which pictures are odd: outliers, label-errors, oddities."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import Name, ProgressKind

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 20  # rows on a terminal
AsJson = Annotated[bool, typer.Option("--json", help="The report and its rows as JSON on stdout")]
AsCsv = Annotated[Path | None, typer.Option("--csv", help="Write the rows to this file")]
Nearest = Annotated[int, typer.Option("-k", min=0, help="Nearest others that are asked; 0 = as many as proved best")]


def register(app: typer.Typer) -> None:
    app.command()(outliers)
    app.command()(label_errors)
    app.command()(oddities)


def outliers(
    name: Name, k: Nearest = 0, progress: ProgressKind = "auto", as_json: AsJson = False, csv: AsCsv = None
) -> None:
    """Pictures that have nothing near them, the farthest first; kept in the gallery's reports."""
    from pipeline.analysis import outliers as finding

    report, table = _run(finding.find, finding.KIND, name, k or finding.K, progress, csv)
    if as_json:
        _as_json(report, table)
        return
    for row in table.head(MAX_ROWS).itertuples():
        print(f"{row.score:.4f}  {row.percentile:6.2f} %  {row.id}  {row.path}")
    print(
        f"{name}: {report['rows']:,} pictures, {report['unusual']:,} below {report['fence']:.3f} are unusual for it "
        f"(mean score to the {report['k']} nearest); kept as {report['report']}"
    )


def label_errors(
    name: Name, k: Nearest = 0, progress: ProgressKind = "auto", as_json: AsJson = False, csv: AsCsv = None
) -> None:
    """Pictures whose neighbours have another label, the most doubtful first; kept in the gallery's reports."""
    from pipeline.analysis import label_errors as finding

    report, table = _run(finding.find, finding.KIND, name, k or finding.K, progress, csv)
    if as_json:
        _as_json(report, table)
        return
    for row in table.head(MAX_ROWS).itertuples():
        print(f"{row.label} → {row.proposed}  {row.score:.3f} {row.proposed_score:.3f}  {row.id}  {row.path}")
    if report["lone"]:
        print(
            f"{len(report['lone']):,} pictures are the only one of their label, which nothing can confirm or doubt, such "
            f"as {report['lone'][0]['label']}: {report['lone'][0]['path']}",
            file=sys.stderr,
        )
    print(
        f"{name}: {report['asked']:,} labelled pictures, {report['doubted']:,} whose neighbours prefer another label, "
        f"{report['likely']:,} of all are likely errors; kept as {report['report']}"
    )


def oddities(name: Name, progress: ProgressKind = "auto") -> None:
    """Both lists, outliers and label errors, from neighbours that are found once."""
    from pipeline.errors import UsageError

    outliers(name, progress=progress)
    try:
        label_errors(name, progress=progress)
    except UsageError as error:  # without labels the first list is all there is
        print(f"no list of label errors: {error}")


def _run(
    find: Callable[..., str], kind: str, name: str, k: int, progress: str, csv: Path | None
) -> tuple[dict[str, Any], pd.DataFrame]:
    from pipeline.errors import UsageError, spreadsheet_cell
    from pipeline.gallery import reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    if csv and not csv.absolute().parent.is_dir():
        raise UsageError(f"no folder {csv.parent} for the {kind}; make it first")
    with shown(progress) as show:
        report_name = find(gallery, k=k, progress=show)
    table = reports.table(gallery, report_name)
    if csv:
        flat = table.map(lambda value: " ".join(map(str, value)) if hasattr(value, "tolist") else value)
        flat.map(spreadsheet_cell).to_csv(csv, index=False, lineterminator="\r\n")  # which quotes a lone \r
        print(f"{len(table):,} rows in {csv}", file=sys.stderr)
    report = reports.read(gallery, report_name)
    if report.get("neighbours"):
        print(report["neighbours"], file=sys.stderr)
    return report | {"report": report_name}, table


def _as_json(report: dict[str, Any], table: pd.DataFrame) -> None:
    print(json.dumps(report | {"rows_listed": json.loads(table.to_json(orient="records"))}, ensure_ascii=False))
