"""The verbs of detectors: detect, detectors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(detect)
    app.command()(detectors)


def detect(
    source: Annotated[str, typer.Argument(help="A folder of pictures, or a dataset such as street:scenes=100")],
    out: Annotated[Path, typer.Option(help="The predictions, COCO's JSON")],
    detector: Annotated[str, typer.Option(help="`detectors` lists them and their options")] = "torchvision",
    limit: Annotated[int, typer.Option(min=0, help="Only the first so many pictures; 0 = all")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "",
    progress: ProgressKind = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout")] = False,
) -> None:
    """Find objects in all pictures of a folder; after an interruption it goes on."""
    from pipeline import errors, plugins
    from pipeline.detection.detect import detect_pictures
    from pipeline.progress import shown
    from pipeline.settings import Settings

    folder = Path(source).expanduser()
    dataset = (
        plugins.build("datasets", "folder", root=str(folder)) if folder.is_dir() else plugins.build("datasets", source)
    )
    built = plugins.build("detectors", detector, device=device or Settings().device)
    with shown(progress) as show:
        report = detect_pictures(dataset, built, out, limit=limit, progress=show)
    for path, reason in report.rejected[:10]:
        print(f"rejected {errors.display_name(path)}: {reason}", file=sys.stderr)
    if len(report.rejected) > 10:
        print(f"… and {len(report.rejected) - 10:,} more", file=sys.stderr)
    result = {"pictures": report.pictures, "boxes": report.boxes, "resumed": report.resumed}
    if as_json:
        print(json.dumps(result | {"rejected": report.rejected, "file": str(out)}, ensure_ascii=False))
        return
    before = f" ({report.resumed:,} before the interruption)" if report.resumed else ""
    print(f"{report.boxes:,} boxes in {report.pictures - len(report.rejected):,} pictures{before}: {out}")


def detectors() -> None:
    """The detectors and their options."""
    from pipeline.cli.commands.plugins import list_plugins

    list_plugins("detectors")
