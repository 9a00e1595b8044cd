"""Verbs that measure: evaluate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import AsJson, Device, Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(evaluate)


def evaluate(
    name: Name,
    queries: Annotated[
        list[str] | None, typer.Option(help="Which pictures ask: split=test, or gallery=OTHER; default is all")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="Which are searched; default is those that do not ask")
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="Another encoder than the gallery's, repeated; what it lacks is encoded first"),
    ] = None,
    metrics: Annotated[str, typer.Option(help="recall_at_1,precision_at_30,knn_20,…; default is the usual ones")] = "",
    grade_by: Annotated[str, typer.Option(help="Metadata fields that grade the hits of a label, for ndcg_at_K")] = "",
    require: Annotated[
        list[str] | None, typer.Option(help="A gate, such as recall_at_1=0.6: exit 1 when the figure is worse")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report of one page to print or send")] = None,
    seed: int = 0,
    device: Device = "",
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """How well the gallery's encoder finds pictures of the same label; kept in the gallery's reports."""
    from pipeline import filters, plugins
    from pipeline.errors import UsageError
    from pipeline.evaluation import evaluate as evaluating
    from pipeline.evaluation import gates
    from pipeline.gallery import reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import reencode
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    if html and not html.parent.is_dir():
        raise UsageError(f"no folder {html.parent}; make it first")
    query_filter, other = evaluating.parse_queries(queries or [])
    gate = gates.parse(require or [])
    if html and len(encoder or []) > 1:
        raise UsageError("--html takes the report of one encoder; name one")
    report_names = []
    with shown(progress) as show:
        for spec in encoder or [""]:
            short = ""
            if spec:
                built = plugins.build("encoders", spec, device=device or settings.device)
                short = reencode.encode_beside(gallery, built, spec=plugins.absolute("encoders", spec), progress=show)
            report_names.append(
                evaluating.evaluate(
                    gallery,
                    queries=query_filter,
                    against=filters.parse(against or []),
                    asking=open_gallery(other, settings) if other else None,
                    fingerprint8=short,
                    metrics=gates.with_metrics(gate, _split(metrics)),
                    grade_by=_split(grade_by),
                    seed=seed,
                    progress=show,
                )
            )
    if html:
        from pipeline.evaluation import report_page

        report_page.write(gallery, report_names[0], html, gate=gate)
    failed = []
    for report_name in report_names:
        report = reports.read(gallery, report_name)
        verdicts = gates.judge(gate, report)
        failed += [verdict for verdict in verdicts if not verdict["passed"]]
        if as_json:
            print(json.dumps({"report": report_name} | report | {"gates": verdicts}, ensure_ascii=False))
        else:
            _print_report(report)
            print(f"kept as {report_name}" + (f" and {html}" if html else ""))
    for verdict in failed:
        side = "below" if verdict["value"] < verdict["required"] else "above"
        print(f"{verdict['metric']} is {verdict['value']:.4f}, {side} {verdict['required']:g}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _split(text: str) -> list[str]:
    return [part for one in text.split(",") if (part := one.strip())]


def _print_report(report: dict) -> None:
    queries, searched = report["protocol"]["queries"] or "all", report["protocol"]["against"]
    print(
        f"{report['gallery']}, {report['encoder']}, {report['dim']} dimensions, fingerprint {report['fingerprint'][:8]}"
    )
    print(
        f"{report['n_queries']:,} queries ({queries}) among {report['n_gallery']:,}{f' ({searched})' if searched else ''}; "
        f"{report['n_skipped']:,} had nothing to find, {report['n_unlabelled']:,} that ask and {report['n_unlabelled_searched']:,} "
        f"searched have no label; seed {report['seed']}"
    )
    for metric, value in report["metrics"].items():
        print(f"{metric:24s} {value['value']:.4f}   95 % {value['low']:.4f} to {value['high']:.4f}")
    if pairs := report["scores"]:
        print(
            f"{'same or different':24s} auc {pairs['auc']:.4f}, equal error rate {pairs['eer']:.4f} at score {pairs['eer_threshold']:.4f}"
        )
