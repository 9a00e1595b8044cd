"""From a gallery's name to the gallery: opened, made, or listed with the others."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from pipeline.errors import GalleryError, UsageError
from pipeline.files import atomic
from pipeline.gallery import manifest, migrations
from pipeline.gallery.gallery import LOCKS, Gallery

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def check_name(name: str) -> str:
    """The name itself, or UsageError: it becomes a folder and a Milvus collection."""
    if not _is_name(name):
        raise UsageError(
            f"bad gallery name {name!r}: write 1 to 64 of a-z, 0-9 and single _, beginning with a letter, e.g. my_photos"
        )
    return name


def names(settings: Settings) -> list[str]:
    """Galleries on disk, sorted; folders whose names no gallery can have are passed over."""
    found = (path.parent.name for path in settings.galleries.glob("*/gallery.json"))
    return sorted(name for name in found if _is_name(name))


def exists(name: str, settings: Settings) -> bool:
    """Whether `names` has it."""
    return _is_name(name) and (settings.galleries / name / "gallery.json").is_file()


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text)) and "__" not in text


def open_gallery(name: str, settings: Settings) -> Gallery:
    """GalleryError lists the galleries that exist when this one does not."""
    root = settings.galleries / check_name(name)
    if not exists(name, settings):
        known = ", ".join(names(settings)) or "none yet"
        raise GalleryError(f"no gallery {name!r} (there is: {known}); make it with: python -m pipeline ingest {name} …")
    gallery = Gallery(root)
    migrations.bring_up(gallery)
    return gallery


def is_taken(name: str, settings: Settings) -> bool:
    """Whether anything of this name is there; a folder of nothing but the locks that a killed command left is nothing."""
    root = settings.galleries / name
    left = {path.name for path in root.iterdir()} if root.is_dir() else set()
    return root.exists() and not (left and left <= {*LOCKS})


def free_name(title: str, settings: Settings) -> str:
    """A gallery name made of a title, with a number when it is taken."""
    base = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:50]
    base = base if base[:1].isalpha() else f"gallery_{base}".rstrip("_")
    return next(name for name in (base, *(f"{base}_{n}" for n in range(2, 10_000))) if not is_taken(name, settings))


def put_in_place(arrived: Path, name: str, settings: Settings) -> Gallery:
    """The gallery that was made at `arrived`, by one rename. Only when the name is not taken."""
    root = settings.galleries / name
    if root.exists():
        shutil.rmtree(root)  # locks
    arrived.rename(root)
    return open_gallery(name, settings)


def create_gallery(name: str, settings: Settings, *, title: str = "") -> Gallery:
    """Open the gallery, making an empty one when there is none."""
    root = settings.galleries / check_name(name)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.disk_error(error, root) from error
    gallery = Gallery(root)
    with gallery.changing():
        if not gallery.manifest_file.exists():
            manifest.write(gallery.manifest_file, manifest.new(title or name))
    migrations.bring_up(gallery)
    return gallery
