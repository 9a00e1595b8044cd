"""From a gallery's row back to the picture's file: in a dataset's root, or among the uploads."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline import plugins
from pipeline.errors import GalleryError, SemblanceError
from pipeline.fingerprints import file_id
from pipeline.gallery.gallery import Gallery
from pipeline.images import opening
from pipeline.images.regions import shown


def roots(gallery: Gallery) -> list[Path]:
    """Folders that the gallery's paths may be relative to; a dataset that has gone is passed over."""
    folders = [gallery.originals, *sorted(gallery.originals.glob("*/"))]
    for spec in gallery.manifest()["datasets"]:
        try:
            folders.append(plugins.build("datasets", spec).root)
        except SemblanceError:
            continue
    return [root for root in folders if root.is_dir()]


def read_original(path: str, picture_id: str, folders: list[Path], gallery_name: str, *, parent: str = "") -> bytes:
    """The file's bytes; GalleryError when no folder holds the file that was ingested.

    parent: of a region, the id of its whole picture, whose file is given.
    """
    for root in folders:
        for name in dict.fromkeys((path, _on_disk(path))):
            try:
                data = opening.read_file(opening.inside(root, name))
            except SemblanceError:
                continue
            if file_id(data) == (parent or picture_id):
                return data
    raise GalleryError(
        f"the file {path} of gallery {gallery_name} is gone or was changed since its ingest; put it back, or take "
        f"the picture out: python -m pipeline remove {gallery_name} --ids {picture_id}"
    )


def read_shown(row: dict[str, str], folders: list[Path], gallery_name: str) -> bytes:
    """A file that shows what the row is of: the picture's own, or for a region a PNG of it. row: id, parent, box, path."""
    return shown(read_original(row["path"], row["id"], folders, gallery_name, parent=row["parent"]), row["box"])


def _on_disk(path: str) -> str:
    r"""Undo ingest's `\udcXX` for bytes of a file name that are no UTF-8."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", lambda match: chr(0xDC00 + int(match[1], 16)), path)
