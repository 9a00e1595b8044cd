"""From a frame of a gallery back to its film."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline import plugins
from pipeline.errors import GalleryError, SemblanceError
from pipeline.films.decoding import clock
from pipeline.gallery import parts
from pipeline.gallery.gallery import Gallery
from pipeline.records import SearchHit

MEDIA_TYPES = {  # what browsers play, most of them only the first three
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".avi": "video/x-msvideo",
}


@dataclass(frozen=True)
class Moment:
    """film: its path as the gallery has it. seconds: since its beginning."""

    film: str
    seconds: float

    @property
    def clock(self) -> str:
        return clock(self.seconds)


def moment(hit: SearchHit) -> Moment | None:
    """Where in which film; None for what is no frame of a film."""
    try:
        return Moment(hit.metadata["film"], float(hit.metadata["time"])) if hit.parent and not hit.box else None
    except (KeyError, ValueError):
        return None


def file_of(gallery: Gallery, picture_id: str) -> Path:
    """The film of a frame. GalleryError where there is no such frame, or its film is gone or was changed."""
    row = parts.find(gallery.folder(), picture_id) if gallery.current else None
    if row is not None and row["parent"] and not row["box"] and picture_id not in gallery.removed():
        for spec in gallery.manifest()["datasets"]:
            try:
                find = getattr(plugins.build("datasets", spec), "film", None)
            except SemblanceError:
                continue
            if find is not None and (file := find(row["path"])) is not None:
                return Path(file)
    raise GalleryError(
        f"gallery {gallery.name} has no film of {picture_id}; it is gone or was changed since its ingest"
    )
