"""From a gallery's row back to the picture's file: in a dataset's root, or among the uploads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline import plugins
from pipeline.errors import GalleryError, PictureError, SemblanceError
from pipeline.files.remote import RemoteFolder, StorageError
from pipeline.fingerprints import file_id
from pipeline.gallery import ledgers
from pipeline.gallery.gallery import Gallery
from pipeline.images import opening
from pipeline.images.regions import shown
from pipeline.schema import whole_of

Root = Path | RemoteFolder


class Roots(list[Root]):
    """Folders, of this machine or in a storage, that a gallery's paths may be relative to. further: id to the paths of merged files with its bytes."""

    def __init__(self, folders: Iterable[Root], further: dict[str, list[str]]) -> None:
        super().__init__(folders)
        self.further = further


def roots(gallery: Gallery) -> Roots:
    """Those that are there; a dataset that has gone is passed over."""
    folders: list[Root] = [
        gallery.originals,
        *sorted(gallery.originals.glob("*/")),
        *(one for one in dataset_roots(gallery) if one is not None),
    ]
    further: dict[str, list[str]] = {}
    for picture, path, *_ in ledgers.read(gallery.root / ledgers.MERGED):
        further.setdefault(picture, []).append(path)
    return Roots((root for root in folders if isinstance(root, RemoteFolder) or root.is_dir()), further)


def dataset_roots(gallery: Gallery) -> list[Root | None]:
    """The root of each dataset of the manifest, in its order; None for one that cannot be opened any more."""
    found: list[Root | None] = []
    for spec in gallery.manifest()["datasets"]:
        try:
            found.append(plugins.build("datasets", spec).root)
        except SemblanceError:
            found.append(None)
    return found


class DatasetFiles:
    """The files under some roots, each named by its number; reads a file at most once (ingest.follow.Files)."""

    def __init__(self, folders: Sequence[Root | None]) -> None:
        self._folders = {str(number): root for number, root in enumerate(folders) if root is not None}
        self._ids: dict[tuple[str, str], str] = {}

    def note(self, dataset: str, path: str, file: str) -> None:
        """The id of a file's bytes, where somebody has read it already."""
        self._ids[dataset, path] = file

    def holders(self, path: str, file: str) -> list[str]:
        return [number for number in self._folders if self._id(number, path) == file]

    def at(self, dataset: str, path: str) -> str:
        root = self._folders.get(dataset)
        if isinstance(root, RemoteFolder):
            return f"{root}/{path}"
        return os.path.normpath(os.path.join(root.absolute(), path)) if root else f"{dataset}:{path}"

    def _id(self, number: str, path: str) -> str:
        if (number, path) not in self._ids:
            try:
                self._ids[number, path] = file_id(opening.read_inside(self._folders[number], on_disk(path)))
            except PictureError:
                self._ids[number, path] = ""
        return self._ids[number, path]


def place_of(root: Root) -> str:
    """Where a root is: equal for two names of one place."""
    return str(root) if isinstance(root, RemoteFolder) else os.path.realpath(root)


def is_there(root: Root, path: str) -> bool:
    """Whether a root has a file at this path, inside it. StorageError where a storage cannot be asked."""
    try:
        return root.has(path) if isinstance(root, RemoteFolder) else os.path.isfile(opening.inside(root, path))
    except PictureError:  # it leads outside
        return False


def read_original(path: str, picture_id: str, folders: Sequence[Root], gallery_name: str, *, parent: str = "") -> bytes:
    """The file's bytes, of a merged one where the row's own is gone; GalleryError when no folder holds what was ingested.

    parent: of a region, the id of its whole picture, whose file is given.
    """
    further, unreached = folders.further.get(picture_id, []) if isinstance(folders, Roots) else [], ""
    for candidate in (path, *further):
        for root in folders:
            for name in dict.fromkeys((candidate, on_disk(candidate))):
                try:
                    data = opening.read_inside(root, name)
                except StorageError as error:
                    unreached = str(error)
                    continue
                except SemblanceError:
                    continue
                if file_id(data) == (parent or picture_id):
                    return data
    if unreached:
        raise GalleryError(f"the file {path} of gallery {gallery_name} cannot be read now: {unreached}")
    raise GalleryError(
        f"the file {path} of gallery {gallery_name} is gone or was changed since its ingest; put it back, ingest its "
        f"folder again, or take the picture out: python -m pipeline remove {gallery_name} --ids {picture_id}"
    )


def read_shown(row: dict[str, str], folders: Sequence[Root], gallery_name: str) -> bytes:
    """A file that shows what the row is of: the picture's own, or for a region a PNG of it. row: id, parent, box, path."""
    return shown(read_original(row["path"], row["id"], folders, gallery_name, parent=whole_of(row)), row["box"])


def on_disk(path: str) -> str:
    r"""Undo ingest's `\udcXX` for bytes of a file name that are no UTF-8."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", lambda match: chr(0xDC00 + int(match[1], 16)), path)
