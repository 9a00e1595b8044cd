"""Verbs that look after galleries: sync, verify, reencode, remove, restore, compact, drop."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.commands.ingest import Name, ProgressKind

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.records import Progress, VectorStore
    from pipeline.settings import Settings

To = Annotated[
    str, typer.Option(help="Another Milvus: http://…, or a path ending in .db; default is the configured one")
]
Ids = Annotated[list[str], typer.Option("--ids", help="Ids of pictures, repeated or separated by commas")]


def register(app: typer.Typer) -> None:
    for verb in (sync, verify, reencode, remove, restore, compact, drop):
        app.command()(verb)


def sync(
    name: Annotated[str, typer.Argument(help="Gallery: a-z, 0-9, _", metavar="NAME")] = "",
    to: To = "",
    every: Annotated[bool, typer.Option("--all", help="Every gallery, instead of NAME")] = False,
    progress: ProgressKind = "auto",
) -> None:
    """Make Milvus agree with the gallery on disk, and check row by row that it does; again, it goes on."""
    from pipeline.errors import SemblanceError, StoreLocked, UsageError
    from pipeline.gallery import opening as galleries
    from pipeline.ingest import sync as syncing
    from pipeline.progress import shown

    if bool(name) == every:
        raise UsageError("say which gallery: NAME, or --all for every one")
    settings = _settings(to)
    chosen = galleries.names(settings) if every else [galleries.open_gallery(name, settings).name]
    try:
        store = syncing.open_store(settings)
    except StoreLocked as error:
        raise StoreLocked(f"{error}. An open app brings its own index up to date by itself") from None
    failed = False
    with contextlib.closing(store):
        for one in chosen:
            try:
                gallery = galleries.open_gallery(one, settings)
                if every and not gallery.current:  # no pictures yet
                    continue
                with shown(progress) as show:
                    said = _synced(gallery, store, show)
                print(said)
            except SemblanceError as error:
                if not every:
                    raise
                failed = True
                print(f"error: {one}: {error}", file=sys.stderr)
    if failed:
        sys.exit(1)


def _settings(to: str) -> Settings:
    from pipeline.settings import Settings

    return Settings(milvus_uri=to) if to else Settings()


def _synced(gallery: Gallery, store: VectorStore, show: Progress) -> str:
    from pipeline.ingest import sync as syncing

    with gallery.writing():
        difference = syncing.sync(gallery, store, progress=show)
        about = store.describe(gallery.collection())
    return (
        f"{gallery.name}: {difference} before; now equal, row by row: {about['rows']:,} rows in {about['backend']} at "
        f"{about['place']}"
    )


def verify(name: Name, to: To = "") -> None:
    """Check the gallery's files, and that Milvus holds exactly the same; exit 1 when something differs."""
    from pipeline.errors import GalleryError, StoreError, StoreLocked
    from pipeline.exchange.mongodb import without_password
    from pipeline.gallery.integrity import check_files
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync as syncing

    settings = _settings(to)
    gallery = open_gallery(name, settings)
    problems = check_files(gallery)
    checked = "files and index"
    try:
        with contextlib.closing(syncing.open_store(settings)) as store:
            if difference := syncing.compare(gallery, store):
                again = f" --to {without_password(to)}" if to else ""
                problems.append(f"index: {difference}; repair it with: python -m pipeline sync {name}{again}")
    except StoreLocked as error:
        checked = "files only"
        print(f"the index was not checked: {error}", file=sys.stderr)
    except StoreError as error:
        problems.append(f"index: {error}")
    except GalleryError as error:
        if str(error) not in problems:
            problems.append(str(error))
    for problem in problems:
        print(f"{name}: {problem}")
    if problems:
        sys.exit(1)
    print(f"{name}: {gallery.info().rows:,} rows, {checked} checked, nothing wrong")


def reencode(
    name: Name,
    encoder: Annotated[str, typer.Option(help="The new encoder")] = "",
    pca: Annotated[int, typer.Option(min=0, help="Shorten the current embeddings to so many dimensions")] = 0,
    back: Annotated[bool, typer.Option("--back", help="Return to the encoder before the last change")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "",
    progress: ProgressKind = "auto",
) -> None:
    """Change a gallery's encoder: a new collection is filled and verified, then the alias moves."""
    from pipeline import plugins
    from pipeline.errors import StoreLocked, UsageError
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import reencode as reencoding
    from pipeline.ingest import sync as syncing
    from pipeline.progress import shown
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    if sum(map(bool, (encoder, pca, back))) != 1:
        raise UsageError("say one of --encoder SPEC, --pca D or --back")
    with contextlib.ExitStack() as stack:
        store, show = None, stack.enter_context(shown(progress))
        try:
            store = stack.enter_context(contextlib.closing(syncing.open_store(settings)))
        except StoreLocked as error:
            print(f"{error}. An open app fills the new collection by itself", file=sys.stderr)
        if back:
            spec = reencoding.go_back(gallery, store)
        elif pca:
            spec = reencoding.shorten(gallery, pca, store=store, progress=show)
        else:
            encoding = plugins.build("encoders", encoder, device=device or settings.device)
            full = plugins.absolute("encoders", encoder)
            spec = reencoding.reencode(gallery, encoding, spec=full, store=store, progress=show)
    print(f"{name}: now {spec}; return with: python -m pipeline reencode {name} --back")


def remove(name: Name, ids: Ids) -> None:
    """Take pictures out of every answer; `restore` undoes it."""
    chosen = _split(ids)
    _judge(name, chosen, removing=True)
    print(f"{name}: {len(chosen):,} removed; undo: python -m pipeline restore {name} --ids {','.join(chosen)}")


def restore(name: Name, ids: Ids) -> None:
    """Bring removed pictures back."""
    chosen = _split(ids)
    _judge(name, chosen, removing=False)
    print(f"{name}: {len(chosen):,} restored")


def _split(ids: list[str]) -> list[str]:
    return [part for text in ids for part in text.split(",") if part]


def _judge(name: str, ids: list[str], *, removing: bool) -> None:
    from pipeline.errors import StoreError
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync as syncing
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    (gallery.remove if removing else gallery.restore)(ids)
    try:
        with contextlib.closing(syncing.open_store(settings)) as store:
            syncing.apply_removals(gallery, store, ids)
    except StoreError as error:
        print(f"noted on disk; the index follows at the next sync: {error}", file=sys.stderr)


def compact(name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False) -> None:
    """Drop removed pictures for good."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    count = gallery.info().removed
    if count and not yes:
        typer.confirm(f"drop {count:,} removed pictures of {name} for good?", abort=True, err=True)
    print(f"{name}: {gallery.compact():,} rows dropped")


def drop(name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False) -> None:
    """Delete a gallery: its folder and its collections. The pictures themselves stay."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync as syncing
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    if not yes:
        typer.confirm(f"delete gallery {name} with {gallery.info().rows:,} pictures' embeddings?", abort=True, err=True)
    with contextlib.closing(syncing.open_store(settings)) as store:
        syncing.drop(gallery, store)
    print(f"{name}: deleted")
