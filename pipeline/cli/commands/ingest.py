"""Verbs that fill galleries: demo, ingest, export, import."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipeline.plugins import DEFAULT_ENCODER

Name = Annotated[str, typer.Argument(help="Gallery: a-z, 0-9, _", metavar="NAME")]
ProgressKind = Annotated[str, typer.Option("--progress", help="auto, json (one object a line) or none")]


def register(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(ingest)
    app.command()(export)
    app.command("import")(import_)


def demo(
    port: Annotated[int, typer.Option(help="The next free port from here on is used")] = 8501,
    app: Annotated[bool, typer.Option("--app/--no-app", help="Open the app when the gallery is filled")] = True,
    progress: ProgressKind = "auto",
) -> None:
    """Fill a gallery with 2,000 rendered pictures and start the app."""
    from pipeline.cli import demo as demonstration

    demonstration.fill(DEFAULT_ENCODER, progress)
    if app:
        sys.exit(demonstration.serve(port))


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
    import contextlib

    from pipeline import plugins
    from pipeline.errors import StoreError, StoreLocked
    from pipeline.gallery import opening as galleries
    from pipeline.images import display_names
    from pipeline.ingest import engines, multi_gpu, sync
    from pipeline.ingest import ingest as ingestion
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    galleries.check_name(name)
    source = plugins.build("datasets", dataset)
    existing = galleries.open_gallery(name, settings) if name in galleries.names(settings) else None
    spec = plugins.absolute("encoders", encoder) if encoder else ""
    spec = spec or (existing.encoder()["spec"] if existing and existing.current else DEFAULT_ENCODER)
    device = device or settings.device
    at_work = engines.choose(engine, spec, workers=workers, device=device, ray_address=ray_address)
    encoding = multi_gpu.build(spec, "cpu" if engine == "ray" else device)  # Ray's processes have their own
    with contextlib.ExitStack() as stack:
        store, note, failed = None, "", False
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
        except StoreLocked as error:
            note = f"{error}. The pictures are committed; an open app brings its index up to date by itself"
        except StoreError as error:
            note, failed = str(error), True
        made = galleries.create_gallery(name, settings, title=title)
        try:
            report = ingestion.ingest(
                made,
                source,
                encoding,
                spec=spec,
                store=store,
                dataset_spec=plugins.absolute("datasets", dataset),
                limit=limit,
                progress=stack.enter_context(shown(progress)),
                engine=at_work,
            )
        finally:
            if existing is None:
                made.discard_if_empty()
    rate = report.added / report.seconds if report.seconds else 0
    print(
        f"{name}: {report.added:,} added, {report.known:,} known, {report.merged:,} merged (same bytes), "
        f"{report.removed:,} removed before, {len(report.rejected):,} rejected in {report.seconds:.1f} s ({rate:,.0f}/s)"
    )
    for path, reason in report.rejected[:10]:
        print(f"rejected {display_names.display_name(path)}: {reason}", file=sys.stderr)
    if len(report.rejected) > 10:
        print(f"… all {len(report.rejected):,} in rejected.csv of the gallery", file=sys.stderr)
    if note or report.index:
        print(f"the index was not updated: {note or report.index}", file=sys.stderr)
        if failed or report.index:
            print(f"when Milvus is back: python -m pipeline sync {name}", file=sys.stderr)
            sys.exit(1)


def export(
    name: Name,
    target: Annotated[str, typer.Argument(help="A .parquet, .npz or .bson file, or mongodb://HOST/DATABASE")],
    for_milvus: Annotated[
        bool, typer.Option("--milvus-import", help="TARGET is a new folder, for the files that Milvus imports in bulk")
    ] = False,
    progress: ProgressKind = "auto",
) -> None:
    """Write a gallery's rows and embeddings to one file, or to a MongoDB collection of the gallery's name."""
    from pathlib import Path

    from pipeline.exchange import exchange, milvus_bulk
    from pipeline.exchange.mongodb import without_password
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    with shown(progress) as show:
        if for_milvus:
            gallery = open_gallery(name, Settings())
            files = milvus_bulk.write(gallery, Path(target), progress=show)
            print(f"{len(files):,} files in {target} for the collection {gallery.collection()}")
            return
        count = exchange.export_gallery(open_gallery(name, Settings()), target, progress=show)
    print(f"{count:,} rows written to {without_password(target)}")


def import_(
    name: Name,
    source: Annotated[str, typer.Argument(help="A .parquet, .npz or .bson file that `export` wrote")],
    progress: ProgressKind = "auto",
) -> None:
    """Make a new gallery from an exported file."""
    import contextlib

    from pipeline.errors import StoreError, StoreLocked
    from pipeline.exchange import exchange
    from pipeline.ingest import sync
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    gallery = exchange.import_gallery(name, source, settings)
    print(f"{name}: {gallery.info().rows:,} rows imported; ingest the pictures' folder to see their thumbnails")
    try:
        with contextlib.closing(sync.open_store(settings)) as store, shown(progress) as show:
            sync.sync(gallery, store, progress=show)
    except StoreLocked as error:
        print(f"the index was not filled: {error}. An open app does it by itself", file=sys.stderr)
    except StoreError as error:
        print(f"the index was not filled: {error}. Then: python -m pipeline sync {name}", file=sys.stderr)
        sys.exit(1)
