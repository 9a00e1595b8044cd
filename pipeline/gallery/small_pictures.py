"""A gallery's pictures as large as their thumbnails: what is looked at where many are, with no file read that need not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import GalleryError, SemblanceError
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import Roots, read_shown, roots
from pipeline.images import decoding, opening

if TYPE_CHECKING:
    from PIL.Image import Image


def small(image: Image) -> Image:
    """By way of a thumbnail, since that is what is kept of the others."""
    return opening.open_image(decoding.thumbnail(image)).image


def of_row(gallery: Gallery, row: Mapping[str, str], folders: Roots) -> Image | None:
    """The thumbnail, or the file where that is missing; None without either. row: id, parent, box, path."""
    try:
        if data := gallery.thumbnail_data(row["id"]):
            return opening.open_image(data).image
        return small(opening.open_image(read_shown(dict(row), folders, gallery.name)).image)
    except SemblanceError:
        return None


def of_id(gallery: Gallery, picture: str) -> Image:
    """GalleryError for a picture with neither thumbnail nor file, or that the gallery does not have."""
    if data := gallery.thumbnail_data(picture):
        return opening.open_image(data).image
    table = gallery.table()
    [row] = table[table["id"] == picture].to_dict("records") or [None]
    image = of_row(gallery, row, roots(gallery)) if row else None
    if image is None:
        raise GalleryError(f"gallery {gallery.name} has neither thumbnail nor file of picture {picture}")
    return image
