"""ingest: bring pictures into a gallery."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind
from pipeline.plugins import DEFAULT_ENCODER

MAX_NOTES = 12
if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.ingest.run import IngestReport
    from pipeline.records import Dataset


def register(app: typer.Typer) -> None:
    app.command()(ingest)


def ingest(
    name: Name,
    dataset: Annotated[str, typer.Option(help="e.g. folder:root=~/photos; `datasets` lists them")],
    encoder: Annotated[str, typer.Option(help="e.g. torchvision:arch=resnet50; `encoders` lists them")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Only the first so many pictures; 0 = all")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …, cuda:all = a copy on every GPU")] = "",
    engine: Annotated[str, typer.Option(help="Who encodes: local (this process) or ray")] = "local",
    workers: Annotated[int, typer.Option(min=0, help="Threads, or Ray's processes; 0 = as fits the machine")] = 0,
    ray_address: Annotated[str, typer.Option(help="A running cluster: auto, HOST:PORT or ray://HOST:PORT")] = "",
    title: Annotated[str, typer.Option(help="What people read instead of the name")] = "",
    no_kinds: Annotated[
        bool, typer.Option("--no-kinds", help="Do not name what pictures without a label show, now or later")
    ] = False,
    facts: Annotated[
        str,
        typer.Option(
            help="What rows keep of their files' own facts, now and later: exif,size,place or none; at first exif"
        ),
    ] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would change; nothing is written")] = False,
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """Bring pictures into a gallery, or let it follow its files; after an interruption it goes on."""
    from pipeline import plugins
    from pipeline.errors import StoreError, StoreLocked
    from pipeline.gallery import opening
    from pipeline.images import facts as facts_of_files
    from pipeline.ingest import engines, multi_gpu, sync
    from pipeline.ingest import ingest as ingestion
    from pipeline.kinds.readout import SWITCH
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings, kept = Settings(), facts_of_files.chosen(facts)
    opening.check_name(name)
    source = plugins.build("datasets", dataset)
    existing = opening.open_gallery(name, settings) if name in opening.names(settings) else None
    if plan:
        _plan(name, existing, source, plugins.absolute("datasets", dataset), limit, progress, as_json)
        return
    spec = plugins.absolute("encoders", encoder) if encoder else ""
    spec = spec or (existing.encoder()["spec"] if existing and existing.current else DEFAULT_ENCODER)
    device = device or settings.device
    chosen_engine = engines.choose(engine, spec, workers=workers, device=device, ray_address=ray_address)
    built = multi_gpu.build(spec, "cpu" if engine == "ray" else device)  # Ray's processes have their own
    with contextlib.ExitStack() as stack:
        store, locked, failure = None, None, ""
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
        except StoreLocked as error:
            locked = error
        except StoreError as error:
            failure = str(error)
        gallery = opening.create_gallery(name, settings, title=title)
        if facts:
            gallery.update(**{ingestion.FACTS: list(kept)})
        if no_kinds:
            gallery.update(**{SWITCH: False})
        try:
            report = ingestion.ingest(
                gallery,
                source,
                built,
                spec=spec,
                store=store,
                dataset_spec=plugins.absolute("datasets", dataset),
                limit=limit,
                progress=stack.enter_context(shown(progress)),
                engine=chosen_engine,
            )
        finally:
            if existing is None:
                gallery.discard_if_empty()
    _show(name, report, "", as_json)
    failure = failure or report.index
    if locked and locked.passing:
        print(f"the pictures are committed; the index waits for its turn: {locked}", file=sys.stderr)
        with shown(progress) as show:
            failure = sync.index_later(gallery, settings, locked, progress=show)
    elif locked:
        print(
            f"the index was not updated: {locked}. The pictures are committed; an open app brings its index up to date by "
            "itself",
            file=sys.stderr,
        )
    if failure:
        print(f"the index was not updated: {failure}", file=sys.stderr)
        print(f"when Milvus is back: python -m pipeline sync {name}", file=sys.stderr)
        sys.exit(1)


def _plan(
    name: str,
    gallery: Gallery | None,
    source: Dataset,
    spec: str,
    limit: int,
    progress: str,
    as_json: bool,
) -> None:
    """The report that an ingest would give, with nothing written."""
    from pipeline.gallery import opening
    from pipeline.ingest import ingest as ingestion
    from pipeline.progress import shown
    from pipeline.settings import Settings

    with contextlib.ExitStack() as stack:
        if gallery is None:  # one that is new is compared with nothing
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="plan-"))
            gallery = opening.create_gallery(name, Settings(home=Path(home)))
        show = stack.enter_context(shown(progress))
        report = ingestion.plan(gallery, source, dataset_spec=spec, limit=limit, progress=show)
    _show(name, report, "would be ", as_json)


def _show(name: str, report: IngestReport, would: str, as_json: bool) -> None:
    """would: '' for what was done, 'would be ' for a plan."""
    from pipeline.errors import display_name
    from pipeline.ingest.follow import said

    if as_json:
        print(json.dumps({"gallery": name, "plan": bool(would)} | dataclasses.asdict(report), ensure_ascii=False))
    else:
        rate = report.added / report.seconds if report.seconds else 0
        print(
            f"{name}: {report.added:,} {would}added, {report.known:,} known, {report.merged:,} merged (same bytes), "
            f"{report.removed:,} removed before, {len(report.rejected):,} rejected in {report.seconds:.1f} s ({rate:,.0f}/s)"
        )
        if report.followed:
            print(f"{name}: {said(report.followed, planned=bool(would))}")
        elif would and not report.added:
            print(f"{name}: nothing would change")
        if report.followed.get("gone") and not would:
            print(f"gone pictures stay until: python -m pipeline remove {name} --gone", file=sys.stderr)
        if report.followed.get("replaced") and not would:
            print("replaced pictures are removed ones: `restore` brings them back", file=sys.stderr)
    for line in report.notes[:MAX_NOTES]:
        print(f"note: {display_name(line)}", file=sys.stderr)
    if len(report.notes) > MAX_NOTES:
        print(f"… and {len(report.notes) - MAX_NOTES:,} notes of other kinds", file=sys.stderr)
    for place, contradiction in report.contradictions[:10]:
        print(f"{display_name(place)} stands twice: {contradiction}; the first counts", file=sys.stderr)
    if len(report.contradictions) > 10:
        print(f"… and {len(report.contradictions) - 10:,} more contradictions", file=sys.stderr)
    for path, reason in report.rejected[:10]:
        print(f"rejected {display_name(path)}: {reason}", file=sys.stderr)
    if len(report.rejected) > 10:
        where = "the plan with --json" if would else "rejected.csv of the gallery"
        print(f"… all {len(report.rejected):,} in {where}", file=sys.stderr)
