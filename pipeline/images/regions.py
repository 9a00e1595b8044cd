"""A part of a picture: its box as text and in pixels, and the parts of one file cut from one decoding."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pipeline import records
from pipeline.errors import UsageError
from pipeline.fingerprints import file_id, region_id
from pipeline.images import decoding, opening

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the whole upright picture
MIN_PART_SIDE = (
    224  # pixels of a part's shorter side, what most encoders look at: below it a smaller decoding is not used
)


def parse_box(text: str) -> Box:
    """`x,y,w,h` in pixels; UsageError when it is not four whole numbers."""
    try:
        x, y, w, h = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"cannot read region {text!r}; write x,y,w,h in pixels, e.g. 10,20,100,80") from None
    return x, y, w, h


def box_text(box: Box) -> str:
    return ",".join(map(str, box))


def around(sides: tuple[float, float, float, float], *, size: tuple[int, int], margin: float = 0.0) -> Box:
    """Whole pixels around x, y, width, height, with `margin` of each side's length more on both its ends.

    size: of the picture, to which the box is clipped; 0 = unknown, then only the left and upper edge are known. A box
    of which less than images.MIN_SIDE is inside stays as it is, for an ingest to refuse it by name.
    """
    low, high = [], []
    for start, length, most in zip(sides[:2], sides[2:], size, strict=True):
        first, last = round(start - margin * length), round(start + length + margin * length)
        clipped = max(first, 0), min(last, most) if most else last
        inside = clipped if clipped[1] - clipped[0] >= decoding.MIN_SIDE else (first, last)
        low.append(inside[0])
        high.append(inside[1])
    return low[0], low[1], high[0] - low[0], high[1] - low[1]


class OpenedFile:
    """A file's bytes and, once they are asked for, its pixels. What `view` gives depends on the box alone."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._pictures: dict[bool, records.Picture] = {}

    def id(self, box: str) -> str:
        """box: `x,y,w,h`, '' = the whole picture. UsageError for another text."""
        return region_id(self.data, parse_box(box)) if box else file_id(self.data)

    def picture(self, *, full: bool = False) -> records.Picture:
        """PictureError as by `images.open_image`."""
        if full not in self._pictures:
            self._pictures[full] = opening.open_image(self.data, full=full)
        return self._pictures[full]

    def view(self, box: str) -> Image:
        """The whole picture, or the part in the box. UsageError for a part that is not inside, or too small."""
        picture = self.picture()
        if not box:
            return picture.image
        sides = parse_box(box)
        scale = picture.image.width / picture.width
        if scale < 1 and min(sides[2:]) * scale < MIN_PART_SIDE:
            picture = self.picture(full=True)
        return decoding.crop(picture, sides)


def shown(data: bytes, box: str) -> bytes:
    """A file of its own for a part of the picture in `data`: a PNG with the pixels of `OpenedFile.view`; '' = `data`."""
    if not box:
        return data
    out = io.BytesIO()
    OpenedFile(data).view(box).save(out, "PNG", compress_level=1)
    return out.getvalue()
