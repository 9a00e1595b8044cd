"""Pictures in object storage, read where they are: nothing is copied but thumbnails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pipeline.datasets._walk import splits_of
from pipeline.errors import UsageError
from pipeline.files.picture_files import PassedOver, is_picture_name, is_system_name, parent_name
from pipeline.files.remote import RemoteFolder
from pipeline.files.wanted import READABLE
from pipeline.plugins import Card
from pipeline.records import ImageRecord, Progress, silent
from pipeline.schema import composed

CARD = Card(
    summary="pictures in object storage (s3://, gs://), folders as labels; keys come from the environment",
    licence="that of your pictures",
    requires=("fsspec",),
    install="pip install s3fs (s3://) or gcsfs (gs://)",
)


def build(*, url: str, labels: bool = True, anon: bool = False) -> Bucket:
    """url: such as s3://BUCKET/FOLDER. labels: as in the dataset `folder`. anon: without keys, of a bucket open to all."""
    return Bucket(RemoteFolder(url, anon=anon), labels=labels)


class Bucket:
    """Labels and splits as of a folder. notes: what the last `records` passed over."""

    def __init__(self, folder: RemoteFolder, *, labels: bool) -> None:
        self.root: Any = folder  # a RemoteFolder where others have a Path: opening.read_inside reads both
        self._labels = labels
        self._passed = PassedOver()

    @property
    def notes(self) -> list[str]:
        return self._passed.notes

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError when there is no picture, StorageError when the storage cannot be listed."""
        self._passed = PassedOver()
        paths = [path for path in self.root.paths() if self._is_picture(path)]
        if not paths:
            aside = "".join(f"; {note}" for note in self.notes)
            raise UsageError(
                f"no pictures found in {self.root}; files ending in {' '.join(READABLE)} are looked for{aside}"
            )
        splits = splits_of({path.partition("/")[0] for path in paths if "/" in path})
        for path in paths:
            first, slash, _ = path.partition("/")
            split = splits.get(first, "") if slash else ""
            label = composed(parent_name(path)) if self._labels and not (split and path.count("/") == 1) else ""
            yield ImageRecord(path, label=label, split=split)

    def _is_picture(self, path: str) -> bool:
        parts = PurePosixPath(path).parts
        if "//" in path or ".." in parts or path.startswith("/"):
            self._passed.add("odd", path)
        elif any(is_system_name(part) for part in parts):
            self._passed.add("system", path)
        elif any(part.startswith(".") for part in parts):
            self._passed.add("hidden", path)
        elif is_picture_name(path):
            return True
        else:
            self._passed.add(PurePosixPath(path).suffix.lower() or "no suffix", path)
        return False
