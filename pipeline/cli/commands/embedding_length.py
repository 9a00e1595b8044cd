"""The verb that measures how short embeddings may be: embedding-length."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(embedding_length)


def embedding_length(
    name: Name,
    dims: Annotated[str, typer.Option(help="2,4,8,…; default: powers of two. The full length is always added")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the sample, the queries and the random vectors")] = 0,
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Quality, search time and bytes of shorter embeddings, and the shortest that is enough; nothing is changed."""
    from pipeline.comparison import embedding_length as measuring
    from pipeline.gallery import reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    with shown(progress) as show:
        measured = measuring.measure(gallery, dims=dims, seed=seed, progress=show)
    report_name = reports.write(gallery, measuring.KIND, measured)
    report = reports.read(gallery, report_name)
    if as_json:
        print(json.dumps(report | {"report": report_name}, ensure_ascii=False))
        return
    of = f"{report['sampled']:,} of {report['rows']:,} pictures, seed {report['seed']}, {report['encoder']}; kept as {report_name}"
    print(of, file=sys.stderr)
    print(" dims  variance  map_at_r  recall_at_1  neighbours_kept  ms_a_search   bytes  contrast  contrast_random")
    for row in report["lengths"]:
        print(
            f"{row['dims']:5d}  {row['variance']:8.4f}  {_or_dash(row['map_at_r'], 8)}  {_or_dash(row['recall_at_1'], 11)}  "
            f"{row['neighbours_kept']:15.4f}  {row['milliseconds']:11.4f}  {row['bytes']:6d}  "
            f"{_or_dash(row['contrast'], 8)}  {_or_dash(row['contrast_random'], 15)}"
        )
    apply = f"; apply it with: {report['apply']}" if report["apply"] else ""
    print(f"{name}: {measuring.advice(report)}{apply}")


def _or_dash(value: float | None, width: int) -> str:
    if value is None:
        return "-".rjust(width)
    return f"{value:{width}.4f}" if value < 100 else f"{value:{width},.0f}"
