"""The verb that compares encoders on labelled pictures: compare-encoders."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from pipeline.cli.console import AsJson, Device, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(compare_encoders)


def compare_encoders(
    dataset: Annotated[str, typer.Option(help="Labelled pictures, e.g. folder:root=~/photos")] = "",
    gallery: Annotated[str, typer.Option(help="A gallery instead; the result is kept in its reports")] = "",
    encoders: Annotated[
        list[str] | None, typer.Option(help="a,b:key=value,c or repeated; default is the usual networks and ours")
    ] = None,
    queries: Annotated[
        list[str] | None, typer.Option(help="Only these ask, for the rest: split=test; default is all for all others")
    ] = None,
    limit: Annotated[int, typer.Option(min=2, max=20_000, help="How many pictures, drawn label by label")] = 2_000,
    batch_sizes: Annotated[str, typer.Option(help="Pictures at a time, for the speeds")] = "1,8,32",
    device: Device = "",
    seed: int = 0,
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Size, speed, recall_at_1, map_at_r and knn_20 of encoders on the same pictures; one that cannot be had says why."""
    from pipeline import filters, plugins
    from pipeline.comparison import encoders as comparing
    from pipeline.comparison import labelled_pictures
    from pipeline.errors import UsageError
    from pipeline.gallery import artifacts, reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    if bool(dataset) == bool(gallery):
        raise UsageError("name the pictures with one of --dataset SPEC and --gallery NAME")
    specs = plugins.split("encoders", encoders or []) or list(comparing.USUAL)
    sizes, where = _sizes(batch_sizes), filters.parse(queries or [])
    opened = open_gallery(gallery, settings) if gallery else None
    with shown(progress) as show:
        if opened is None:
            source = labelled_pictures.of_dataset(plugins.build("datasets", dataset), dataset, progress=show)
        else:
            source = labelled_pictures.of_gallery(opened)
        report = comparing.compare(
            source,
            specs,
            queries=where,
            limit=limit,
            batch_sizes=sizes,
            device=device or settings.device,
            seed=seed,
            progress=show,
        )
    figures = any(row["metrics"] for row in report["rows"])
    report_name = reports.write(opened, comparing.KIND, report) if opened and figures else ""
    if as_json:
        print(json.dumps({"report": report_name} | artifacts.circumstances() | report, ensure_ascii=False))
    else:
        _print_table(report)
        if report_name:
            print(f"kept as {report_name}")
    if not figures:
        print("error: no encoder gave figures, each row says why", file=sys.stderr)
        raise typer.Exit(1)


def _sizes(text: str) -> list[int]:
    from pipeline.errors import UsageError

    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or not all(1 <= size <= 1024 for size in sizes):
        raise UsageError(f"--batch-sizes {text!r} is no list of numbers from 1 to 1024; write 1,8,32")
    return sorted(set(sizes))


def _print_table(report: dict[str, Any]) -> None:
    """A table a person reads; `--json` has every digit."""
    from pipeline.comparison.encoders import METRICS

    sizes = report["batch_sizes"]
    wide = max(len(row["encoder"]) for row in report["rows"])
    rates = "".join(f"{f'/s at {size}':>10s}" for size in sizes)
    print(
        f"{'encoder':{wide}s}{'dim':>6s}{'parameters':>13s}{'size, MB':>16s}{rates}"
        + "".join(f"  {m:22s}" for m in METRICS)
    )
    for row in report["rows"]:
        if row["error"]:
            print(f"{row['encoder']:{wide}s}  {row['error']}")
            continue
        size = f"{row['bytes'] / 1e6:,.1f} {row['bytes_of']}" if row["bytes_of"] else "none"
        rates = "".join(f"{row['pictures_per_second'][str(size)]:10,.1f}" for size in sizes)
        figures = "".join(
            f"  {m['value']:.3f} ({m['low']:.3f}–{m['high']:.3f})  " for m in map(row["metrics"].get, METRICS)
        )
        print(f"{row['encoder']:{wide}s}{row['dim']:6d}{row['parameters']:13,d}{size:>16s}{rates}{figures}")
    if any(row["error"] for row in report["rows"]):
        print("A row without figures: --json has the whole reason and where to put weights that you have.")
    print(_on_what(report))


def _on_what(report: dict[str, Any]) -> str:
    drawn = f"{report['sampled']:,} of {report['labelled']:,} labelled pictures of {report['source']}"
    if report["sampled"] < report["labelled"]:
        drawn += ", drawn label by label"
    left = [
        f"{report[key]:,} {said}" for key, said in (("copies", "copies"), ("unreadable", "unreadable")) if report[key]
    ]
    who = f"those with {report['queries']} ask the rest" if report["queries"] else "each asks all others"
    return (
        f"{drawn}{f' ({chr(44).join(left)} left out)' if left else ''}; {report['labels']:,} labels; {who}: "
        f"{report['n_queries']:,} queries, {report['n_skipped']:,} more had nothing to find. In brackets: 95 % interval.\n"
        f"Pictures a second from decoded pictures, on {report['device']}, a single thread of ours. Size: the weight "
        f"file where the spec names one, else 4 bytes a parameter in memory. Seed {report['seed']}."
    )
