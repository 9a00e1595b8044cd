"""ingest: bring pictures into a gallery."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.commands.read_words import read_if_wanted
from pipeline.cli.console import AsJson, Name, ProgressKind
from pipeline.cli.ingest_report import show
from pipeline.plugins import DEFAULT_ENCODER

MAPPED = 0.8  # share of the pictures that a map must have not to be made anew
UMAP = range(200, 100_001)  # pictures; fewer, or more, are laid out by their two directions of most variance, at once

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.ingest.engines import Engine
    from pipeline.records import Dataset, Encoder
    from pipeline.settings import Settings


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
    words: Annotated[
        bool, typer.Option("--words", help="Read the words inside pictures too, now and later (needs rapidocr)")
    ] = False,
    map_too: Annotated[
        bool, typer.Option("--map", help="Make a map afterwards, unless there is one of most of the pictures")
    ] = False,
    facts: Annotated[
        str,
        typer.Option(
            help="What rows keep of their files' own facts, now and later: exif,size,place or none; at first exif"
        ),
    ] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would change; nothing is written")] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Go on until Ctrl-C: new pictures within seconds, moves and deletions when it is quiet"
        ),
    ] = False,
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """Bring pictures into a gallery, or let it follow its files; after an interruption it goes on."""
    from pipeline import plugins
    from pipeline.errors import UsageError
    from pipeline.gallery import opening
    from pipeline.images import facts as facts_of_files
    from pipeline.images import ocr
    from pipeline.ingest import engines, multi_gpu
    from pipeline.settings import Settings

    settings, kept = Settings(), facts_of_files.chosen(facts)
    opening.check_name(name)
    if watch and (plan or limit or map_too):
        raise UsageError("--watch follows all of a folder as it changes; leave --plan, --limit and --map out")
    if words:
        ocr.check()
    source = plugins.build("datasets", dataset)
    existing = opening.open_gallery(name, settings) if opening.exists(name, settings) else None
    if plan:
        _plan(name, existing, source, plugins.absolute("datasets", dataset), limit, progress, as_json)
        return
    spec = plugins.absolute("encoders", encoder) if encoder else ""
    spec = spec or (existing.encoder()["spec"] if existing and existing.current else DEFAULT_ENCODER)
    device = device or settings.device
    chosen_engine = engines.choose(engine, spec, workers=workers, device=device, ray_address=ray_address)
    built = multi_gpu.build(spec, "cpu" if engine == "ray" else device)  # Ray's processes have their own
    run = _Run(
        name,
        settings,
        built,
        spec,
        plugins.absolute("datasets", dataset),
        chosen_engine,
        title,
        no_kinds,
        kept if facts else None,
        words,
    )
    failed = _watch(run, source, progress, as_json) if watch else run.bring_in(source, limit, progress, as_json)
    if map_too:
        _map(name, settings, progress)
    if not watch:
        read_if_wanted(name, settings, progress)
    if failed:
        sys.exit(1)


def _map(name: str, settings: Settings, progress: str) -> None:
    from pipeline.analysis import projection
    from pipeline.errors import SemblanceError
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown

    gallery = open_gallery(name, settings)
    rows = gallery.count()
    if any(about["n"] >= MAPPED * rows for about in projection.saved_maps(gallery)):
        return
    with shown(progress) as told, contextlib.suppress(SemblanceError):  # the Explore page says what is missing
        projection.project(gallery, "umap" if rows in UMAP else "pca", progress=told)


@dataclasses.dataclass(frozen=True)
class _Run:
    """What stays the same from one round of a watch to the next."""

    name: str
    settings: Settings
    encoder: Encoder
    spec: str
    dataset_spec: str
    engine: Engine
    title: str
    no_kinds: bool
    facts: tuple[str, ...] | None  # what rows keep of their files; None: as before
    words: bool

    def bring_in(self, source: Dataset, limit: int, progress: str, as_json: bool) -> bool:
        """One ingest, told on stdout. Whether the index was not brought up to date for another reason than an open app."""
        from pipeline.errors import StoreError, StoreLocked
        from pipeline.gallery import opening
        from pipeline.images import ocr
        from pipeline.ingest import ingest as ingestion
        from pipeline.ingest import sync
        from pipeline.kinds.readout import SWITCH
        from pipeline.progress import shown

        name, existed = self.name, opening.exists(self.name, self.settings)
        with contextlib.ExitStack() as stack:
            store, locked, failure = None, None, ""
            try:
                store = stack.enter_context(contextlib.closing(sync.open_store(self.settings)))
            except StoreLocked as error:
                locked = error
            except StoreError as error:
                failure = str(error)
            gallery = opening.create_gallery(name, self.settings, title=self.title)
            if self.facts is not None:
                gallery.update(**{ingestion.FACTS: list(self.facts)})
            if self.no_kinds:
                gallery.update(**{SWITCH: False})
            if self.words:
                gallery.update(**{ocr.SWITCH: True})
            try:
                report = ingestion.ingest(
                    gallery,
                    source,
                    self.encoder,
                    spec=self.spec,
                    store=store,
                    dataset_spec=self.dataset_spec,
                    limit=limit,
                    progress=stack.enter_context(shown(progress)),
                    engine=self.engine,
                )
            finally:
                if not existed:
                    gallery.discard_if_empty()
        show(name, report, "", as_json)
        failure = failure or report.index
        if locked and locked.passing:
            print(f"the pictures are committed; the index waits for its turn: {locked}", file=sys.stderr)
            with shown(progress) as told:
                failure = sync.index_later(gallery, self.settings, locked, progress=told)
        elif locked:
            print(
                f"the index was not updated: {locked}. The pictures are committed; an open app brings its index up to date by "
                "itself",
                file=sys.stderr,
            )
        if failure:
            print(f"the index was not updated: {failure}", file=sys.stderr)
            print(f"when Milvus is back: python -m pipeline sync {name}", file=sys.stderr)
        return bool(failure)


def _watch(run: _Run, source: Dataset, progress: str, as_json: bool) -> bool:
    """Until Ctrl-C; a round that fails is told, and the next change or quiet moment brings it in."""
    from pipeline.errors import SemblanceError, UsageError, display_name
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import watching

    def known() -> set[str]:
        return set(open_gallery(run.name, run.settings).table()["path"])

    failed = watched = False
    folder = getattr(source, "watched", source.root)
    if not isinstance(folder, Path):
        raise UsageError(
            f"--watch follows a folder of this machine, and {folder} is none; run the ingest again now and then"
        )
    rounds = watching.rounds(folder, known, apart=[run.settings.home])
    one = next(rounds)
    try:
        failed = run.bring_in(source, 0, progress, as_json)  # what is wrong with all of it ends the command
        read_if_wanted(run.name, run.settings, progress)
        print(f"watching {display_name(folder)}; Ctrl-C ends it", file=sys.stderr, flush=True)
        done = watched = True
        while True:
            one = rounds.send(done)
            try:
                some = watching.Only(source, one.new) if one.new else source
                failed, done = run.bring_in(some, len(one.new), progress, as_json), True
                read_if_wanted(run.name, run.settings, progress)
            except SemblanceError as error:
                print(f"error: {error}", file=sys.stderr, flush=True)
                done = False
    except KeyboardInterrupt:
        if not watched:
            raise
        print("no longer watching; what was committed is kept", file=sys.stderr)
    return failed


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
        told = stack.enter_context(shown(progress))
        report = ingestion.plan(gallery, source, dataset_spec=spec, limit=limit, progress=told)
    show(name, report, "would be ", as_json)
