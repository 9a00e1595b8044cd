"""A picture of a gallery as large as a screen shows it, with its box: a part's on its whole picture, or that of the thing in it
which the dataset marked (`box` among its facts, as Tiny ImageNet and DeepFashion have it)."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw

from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import parts
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images import decoding, opening
from pipeline.images.regions import parse_box
from pipeline.schema import whole_of

MARKED = "box"  # a key of metadata: x,y,w,h in pixels of the whole upright picture
SIDE = 2048  # pixels of the longer side
_LINES = ((5, "black"), (3, "white"))  # seen on every ground; pixels, fewer on a picture below 500


def draw(gallery: Gallery, picture_id: str) -> bytes:
    """JPEG of at most 1.25 SIDE px, without metadata: from the file, or from the thumbnail where it is gone.

    GalleryError when the gallery has no such picture, or neither file nor thumbnail is there.
    """
    row = parts.find(gallery.folder(), picture_id) if gallery.current else None
    if row is None or picture_id in gallery.removed():
        raise GalleryError(f"gallery {gallery.name} has no picture {picture_id}")
    image, size = _whole(gallery, row)
    if row["box"] or _is_inside(row["metadata"].get(MARKED, ""), size):
        _mark(image, size, row["box"] or row["metadata"][MARKED])
    return decoding.thumbnail(image, side=SIDE)


def _is_inside(text: str, size: tuple[int, int]) -> bool:
    """Whether a fact that is called `box` is one: other tables may mean other things by it."""
    try:
        x, y, width, height = parse_box(text)
    except UsageError:
        return False
    return min(x, y) >= 0 < min(width, height) and x + width <= size[0] and y + height <= size[1]


def _mark(image: Image.Image, size: tuple[int, int], box: str) -> None:
    x, y, width, height = parse_box(box)
    across, down = image.width / size[0], image.height / size[1]
    corners = (x * across, y * down, (x + width) * across - 1, (y + height) * down - 1)
    pen = ImageDraw.Draw(image)
    thin = min(max(image.size) / 500, 1)
    for line, colour in _LINES:
        pen.rectangle(corners, outline=colour, width=max(round(line * thin), 1 + (colour == "black")))


def _whole(gallery: Gallery, row: dict[str, Any]) -> tuple[Image.Image, tuple[int, int]]:
    """A picture to draw on, at most 1.25 SIDE px, and the size that boxes are in."""
    try:
        data = read_original(row["path"], row["id"], roots(gallery), gallery.name, parent=whole_of(row))
        picture = opening.open_image(data)
        image = picture.image.convert("RGB")
        image.thumbnail((SIDE, SIDE))
        return image, (picture.width, picture.height)
    except GalleryError:
        parent = whole_of(row)
        whole = parts.find(gallery.folder(), parent) if parent else row
        data = gallery.thumbnail_data(parent or row["id"])
        if whole is None or not data:
            raise
        return opening.open_image(data).image.convert("RGB"), (whole["width"], whole["height"])
