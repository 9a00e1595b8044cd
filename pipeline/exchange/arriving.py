"""A gallery that is made beside the others and put in place whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.gallery import calibration, opening, ranking
from pipeline.gallery.gallery import Gallery
from pipeline.records import Rows
from pipeline.settings import Settings


def made(
    name: str,
    settings: Settings,
    *,
    title: str,
    encoder: tuple[str, str, int],
    rows: Rows,
    datasets: list[str],
    fill: Callable[[Gallery], None],
) -> Gallery:
    """encoder: spec, fingerprint and dim of the rows' embeddings. fill: what else belongs into it, before anybody sees it.

    UsageError when the name is taken, SemblanceError on a full disk.
    """
    from filelock import FileLock

    check_free(name, settings)
    staging = settings.galleries / f".{name}.importing"
    try:
        settings.galleries.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.galleries / ".importing.lock"):  # one at a time
            shutil.rmtree(staging, ignore_errors=True)  # what a killed one left
            try:
                gallery = opening.create_gallery(name, settings.model_copy(update={"home": staging}), title=title)
                with gallery.writing():
                    gallery.update(datasets=datasets)
                    short = gallery.add_encoder(*encoder)
                    gallery.commit(short, rows)
                    calibration.refresh(gallery, short)
                    ranking.refresh(gallery, short)
                fill(gallery)
                if hasattr(os, "sync"):
                    os.sync()  # contents first: after a power cut there is a whole gallery or none
                check_free(name, settings)
                return opening.put_in_place(gallery.root, name, settings)
            finally:
                with contextlib.suppress(OSError):
                    shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise atomic.disk_error(error, settings.galleries / name) from error


def check_free(name: str, settings: Settings) -> None:
    """UsageError for a name that no gallery can have or that one has."""
    opening.check_name(name)
    if opening.is_taken(name, settings):
        raise UsageError(
            f"gallery {name} exists; choose another name, or drop it first: python -m pipeline drop {name}"
        )
