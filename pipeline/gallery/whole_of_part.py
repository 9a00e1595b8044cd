"""The whole picture that a part was cut from, with the part's box drawn on it."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw

from pipeline.errors import GalleryError
from pipeline.gallery import parts
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images import opening
from pipeline.images.regions import parse_box

SIDE = 1024  # pixels of the longer side
_LINES = ((5, "black"), (3, "white"))  # seen on every ground


def draw(gallery: Gallery, picture_id: str) -> bytes:
    """JPEG of at most SIDE px, without metadata: from the file, or from the whole picture's thumbnail where it is gone.

    GalleryError when `picture_id` is no part, or neither is there.
    """
    row = parts.find(gallery.folder(), picture_id) if gallery.current else None
    if row is None or not row["box"] or picture_id in gallery.removed():
        raise GalleryError(f"gallery {gallery.name} has no part {picture_id}")
    image, size = _whole(gallery, row)
    image.thumbnail((SIDE, SIDE))
    x, y, width, height = parse_box(row["box"])
    across, down = image.width / size[0], image.height / size[1]
    corners = (x * across, y * down, (x + width) * across - 1, (y + height) * down - 1)
    pen = ImageDraw.Draw(image)
    for line, colour in _LINES:
        pen.rectangle(corners, outline=colour, width=line)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def _whole(gallery: Gallery, row: dict[str, Any]) -> tuple[Image.Image, tuple[int, int]]:
    """A picture to draw on, and the size that boxes are in."""
    try:
        data = read_original(row["path"], row["id"], roots(gallery), gallery.name, parent=row["parent"])
        picture = opening.open_image(data)
        return picture.image.copy(), (picture.width, picture.height)
    except GalleryError:
        whole, data = parts.find(gallery.folder(), row["parent"]), gallery.thumbnail_data(row["parent"])
        if whole is None or not data:
            raise
        return opening.open_image(data).image.copy(), (whole["width"], whole["height"])
