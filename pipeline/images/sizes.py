"""How large a picture is, from its file's header."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from pipeline.images.decoding import FORMATS
from pipeline.images.quiet_pillow import quiet_pillow

_ORIENTATION = 0x0112


def upright_size(file: Path) -> tuple[int, int] | None:
    """(width, height) as the picture is seen; None when the header cannot be read."""
    try:
        with quiet_pillow(), Image.open(file, formats=FORMATS) as image:
            turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
            return (image.height, image.width) if turned else image.size
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
