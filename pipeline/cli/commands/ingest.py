"""ingest: bring pictures into a gallery."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from pipeline.cli.console import Name, ProgressKind
from pipeline.plugins import DEFAULT_ENCODER

MAX_NOTES = 12


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
    progress: ProgressKind = "auto",
) -> None:
    """Bring pictures into a gallery; again is a no-op, after an interruption it goes on."""
    from pipeline import plugins
    from pipeline.errors import StoreError, StoreLocked, display_name
    from pipeline.gallery import opening
    from pipeline.ingest import engines, multi_gpu, sync
    from pipeline.ingest import ingest as ingestion
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    opening.check_name(name)
    source = plugins.build("datasets", dataset)
    existing = opening.open_gallery(name, settings) if name in opening.names(settings) else None
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
    rate = report.added / report.seconds if report.seconds else 0
    print(
        f"{name}: {report.added:,} added, {report.known:,} known, {report.merged:,} merged (same bytes), "
        f"{report.removed:,} removed before, {len(report.rejected):,} rejected in {report.seconds:.1f} s ({rate:,.0f}/s)"
    )
    for line in report.notes[:MAX_NOTES]:
        print(f"note: {display_name(line)}", file=sys.stderr)
    if len(report.notes) > MAX_NOTES:
        print(f"… and {len(report.notes) - MAX_NOTES:,} notes of other kinds", file=sys.stderr)
    for path, reason in report.rejected[:10]:
        print(f"rejected {display_name(path)}: {reason}", file=sys.stderr)
    if len(report.rejected) > 10:
        print(f"… all {len(report.rejected):,} in rejected.csv of the gallery", file=sys.stderr)
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
