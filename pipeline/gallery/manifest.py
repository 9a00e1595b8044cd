"""gallery.json: what a gallery says of itself (its keys: docs/architecture.md)."""

from __future__ import annotations

import datetime
import json
import marshal
import uuid
from pathlib import Path
from typing import Any

from pipeline.errors import GalleryError
from pipeline.files import checksummed
from pipeline.files.unchanged import WhileUnchanged
from pipeline.gallery import ledgers
from pipeline.gallery.migrations import FORMAT


def new(title: str) -> dict[str, Any]:
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about = {
        "format": FORMAT,
        "birth": uuid.uuid4().hex,
        "title": title,
        "datasets": [],
        "created": created,
        "generation": 0,
    }
    return about | {"current": "", "previous": "", "metadata_keys": [], "encoders": {}, "index": ""}


def read(file: Path) -> dict[str, Any]:
    """GalleryError when it is damaged or from a newer Semblance."""
    manifest: dict[str, Any] = marshal.loads(_read(file))
    return manifest


def _marshalled(file: Path) -> bytes:
    """What `read` gives: of its own to every caller, in a tenth of the time that JSON takes."""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        newer = manifest["format"] > FORMAT
        if not newer:
            manifest = checksummed.opened(manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalleryError(
            f"cannot read {file} ({error}); restore it from a backup, or delete the folder {file.parent} and ingest again"
        ) from error
    if newer:
        raise GalleryError(
            f"gallery {file.parent.name} was made by a newer Semblance (format {manifest['format']}); update this one"
        )
    return marshal.dumps(manifest)


_read = WhileUnchanged(_marshalled)


def write(file: Path, manifest: dict[str, Any]) -> None:
    """With the sizes of the gallery's lists, so that one that lost its end is noticed. Needs `Gallery.changing`."""
    checksummed.write(file, manifest | {"sizes": ledgers.sizes(file.parent)})
