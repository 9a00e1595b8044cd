"""demo: a gallery of rendered pictures, and the app on a free port."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import ProgressKind
from pipeline.cli.servers import foreground, free_port
from pipeline.plugins import DEFAULT_ENCODER

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.records import Dataset

STEPS = (16, 96)  # items, before all of them: somebody may be looking
NAME, TITLE, DATASET, MAP = "catalogue", "Rendered catalogue", "catalogue", "umap"


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    port: Annotated[int, typer.Option(help="The next free port from here on is used")] = 8501,
    host: Annotated[list[str] | None, typer.Option(help="A further name the app answers to, such as a proxy's")] = None,
    app: Annotated[bool, typer.Option("--app/--no-app", help="Open the app when the gallery is filled")] = True,
    progress: ProgressKind = "auto",
) -> None:
    """Start the app, which fills a gallery with 2,000 rendered pictures; they can be searched as they come."""
    if app:
        sys.exit(serve(port, host or (), filling=not is_filled()))
    fill(DEFAULT_ENCODER, progress)


def is_filled() -> bool:
    """Whether the gallery has all its pictures and a map."""
    from pipeline import plugins
    from pipeline.analysis import projection
    from pipeline.errors import GalleryError
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    try:
        gallery = open_gallery(NAME, Settings())
    except GalleryError:
        return False
    wanted = sum(1 for _ in plugins.build("datasets", DATASET).records())
    return bool(gallery.current) and len(gallery.ids()) >= wanted and bool(projection.saved_maps(gallery))


def fill(encoder_spec: str, progress: str) -> None:
    """Render, ingest and map the catalogue unless that is done; a killed run is gone on with."""
    from pipeline import plugins
    from pipeline.analysis import projection
    from pipeline.errors import SemblanceError
    from pipeline.gallery.opening import create_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = create_gallery(NAME, Settings(), title=TITLE)
    whole = plugins.build("datasets", DATASET)
    for items in (*(step for step in STEPS if step < whole.items), whole.items):
        dataset = dataclasses.replace(whole, items=items)  # the first so many of the same
        if not gallery.current or len(gallery.ids()) < items * whole.views:
            _ingest(gallery, dataset, encoder_spec, progress)
    if not projection.saved_maps(gallery):
        with shown(progress) as show, contextlib.suppress(SemblanceError):  # the Explore page says what is missing
            projection.project(gallery, MAP, progress=show)


def _ingest(gallery: Gallery, dataset: Dataset, encoder_spec: str, progress: str) -> None:
    from pipeline import plugins
    from pipeline.errors import SemblanceError, StoreLocked
    from pipeline.ingest.ingest import ingest
    from pipeline.ingest.sync import open_store
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    spec = gallery.encoder()["spec"] if gallery.current else encoder_spec
    encoder = plugins.build("encoders", spec, device=settings.device)
    with contextlib.ExitStack() as stack:
        try:
            store = stack.enter_context(contextlib.closing(open_store(settings)))
        except StoreLocked:
            store = None  # a running app syncs by itself
        show = stack.enter_context(shown(progress))
        report = ingest(gallery, dataset, encoder, spec=spec, store=store, dataset_spec=DATASET, progress=show)
    if report.index:
        raise SemblanceError(report.index)


def serve(port: int, hosts: Sequence[str] = (), *, filling: bool = False) -> int:
    """Run the app in the foreground until it ends; returns its exit code.

    filling: the app begins with the demo's gallery.
    """
    from pipeline import ROOT

    chosen = free_port(port)
    if chosen != port:
        print(f"port {port} is taken, using {chosen}", file=sys.stderr)
    fills = "; its gallery of 2,000 rendered pictures fills while you look" if filling else ""
    print(f"Semblance: http://127.0.0.1:{chosen}  (Ctrl-C ends it){fills}", flush=True)
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app.py"), "--server.port", str(chosen)]
    command += [f"--server.allowedHosts={name}" for name in hosts]
    return foreground(command, {"SEMBLANCE_DEMO": str(int(filling))})
