"""Thumbnails as one picture, numbered and named by the beginning of their ids, so that who sees it can ask for one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import SemblanceError

if TYPE_CHECKING:
    from PIL import Image

TILE, GAP, CAPTION, COLUMNS = 128, 6, 30, 6  # pixels; tiles a row
MAX_TILES = 24
MAX_BYTES = 300_000


def contact_sheet(tiles: Sequence[tuple[bytes, str, str]]) -> bytes:
    """A JPEG of at most MAX_TILES tiles: of each its thumbnail (b"" = none), what names it, and a line below."""
    from PIL import Image, ImageDraw, ImageFont

    tiles = tiles[:MAX_TILES]
    across, down = min(COLUMNS, max(1, len(tiles))), max(1, -(-len(tiles) // COLUMNS))
    sheet = Image.new("RGB", (GAP + across * (TILE + GAP), GAP + down * (TILE + CAPTION + GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (data, name, below) in enumerate(tiles):
        x = GAP + number % COLUMNS * (TILE + GAP)
        y = GAP + number // COLUMNS * (TILE + CAPTION + GAP)
        picture = _tile(data)
        sheet.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))
        draw.text((x, y + TILE + 1), name[:22], "#1d2433", font)
        draw.text((x, y + TILE + 15), below[:22], "#6b7385", font)
    for quality in (80, 60, 40, 20):
        made = io.BytesIO()
        sheet.save(made, "JPEG", quality=quality)
        if made.tell() <= MAX_BYTES:
            break
    return made.getvalue()


def _tile(data: bytes) -> Image.Image:
    from PIL import Image, ImageOps

    from pipeline.images.opening import open_image

    try:
        opened = open_image(data).image
    except SemblanceError:  # none, or damaged
        return Image.new("RGB", (TILE, TILE), "#d8dce4")
    return ImageOps.contain(opened, (TILE, TILE))
