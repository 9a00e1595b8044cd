"""The format of a gallery's folder, and the steps that bring one of an older Semblance up to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import GalleryError
from pipeline.files import atomic, checksummed

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery


def _say_the_index(root: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Format 1 left `index` out until somebody chose one."""
    return {"index": ""} | manifest


# From each format to the next: changes the folder and returns the new manifest. A kill has a step done once more.
STEPS: dict[int, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {1: _say_the_index}
FORMAT = max(STEPS) + 1


def bring_up(gallery: Gallery) -> None:
    """Take the steps that a gallery lacks; its former manifest stays beside it, as gallery.json.formatN.

    Raises GalleryError for a newer format, and while another process writes the gallery.
    """
    if gallery.manifest()["format"] == FORMAT:
        return
    with gallery.writing(), gallery.changing():
        manifest = gallery.manifest()  # anew: another process may have taken the steps meanwhile
        while (old := manifest["format"]) != FORMAT:
            if old not in STEPS:
                raise GalleryError(
                    f"{gallery.manifest_file} has format {old}, which never was; restore it from a backup"
                )
            with atomic.replacing(gallery.root / f"{gallery.manifest_file.name}.format{old}") as temporary:
                shutil.copyfile(gallery.manifest_file, temporary)
            manifest = STEPS[old](gallery.root, manifest) | {"format": old + 1}
            checksummed.write(gallery.manifest_file, manifest)
