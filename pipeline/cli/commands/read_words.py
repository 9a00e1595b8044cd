"""read-words: the words inside the pictures of a gallery, as metadata to search."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import Name, ProgressKind, change_index

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.ingest.words import Read
    from pipeline.settings import Settings


def register(app: typer.Typer) -> None:
    app.command()(read_words)


def read_words(
    name: Name,
    off: Annotated[
        bool,
        typer.Option("--off", help="Take the words away, and read none at later ingests"),
    ] = False,
    progress: ProgressKind = "auto",
) -> None:
    """Read the words inside pictures that were not read yet; from then on an ingest does it. Needs rapidocr."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest.words import forget_words
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    if not off:
        print(_said(name, _read(gallery, settings, progress)))
        return
    count = forget_words(gallery)
    print(f"{name}: words are no longer read; {count:,} pictures had some")
    change_index(gallery, settings, progress)


def read_if_wanted(name: str, settings: Settings, progress: str) -> None:
    """After an ingest: of pictures that are new, where the gallery wants it. That it cannot be is told and fails nothing."""
    from pipeline.errors import UsageError
    from pipeline.gallery.opening import open_gallery
    from pipeline.images import ocr

    gallery = open_gallery(name, settings)
    if gallery.manifest().get(ocr.SWITCH):
        try:
            read = _read(gallery, settings, progress)
            if read.read or read.unread:
                print(_said(name, read), file=sys.stderr)
        except UsageError as error:
            print(f"words were not read: {error}", file=sys.stderr)


def _read(gallery: Gallery, settings: Settings, progress: str) -> Read:
    from pipeline.ingest.words import read_words
    from pipeline.progress import shown

    with shown(progress) as told:
        read = read_words(gallery, progress=told)
    if read.changed:
        change_index(gallery, settings, progress)
    return read


def _said(name: str, read: Read) -> str:
    gone = f"; the files of {read.unread:,} cannot be read now" if read.unread else ""
    return f"{name}: {read.read:,} pictures read{gone}; {read.worded:,} of {read.pictures:,} have words"
