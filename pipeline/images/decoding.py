"""Bytes to an upright RGB picture in this process, its thumbnail and its crop. Callers use `opening.open_image`.

Colour profiles are ignored: pixel values are taken as they are stored.
A process that opens the largest files accepted, one at a time, needs about 400 MB: benchmarks/odd_pictures.py.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.errors import PictureError, UsageError, display_name
from pipeline.images.quiet_pillow import quiet_pillow
from pipeline.images.refused_formats import check_structure, damaged, opens_heif
from pipeline.records import Picture

HEIF = opens_heif()
MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
MIN_SIDE = 8
WORKING_SIDE = 512  # a JPEG's short side stays at least this long when it is decoded smaller
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", *(("HEIF",) if HEIF else ()))

# libwebp keeps two canvases beside the picture (15 bytes a pixel), libavif one (9): the same memory buys fewer pixels.
_PIXELS = dict.fromkeys(FORMATS, MAX_PIXELS) | {"WEBP": 22_000_000, "AVIF": 32_000_000, "HEIF": 32_000_000}
_MAX_FRAMES = 1_000  # frames beyond are not counted, because counting reads every one
_STRIP_PIXELS = 1_000_000
_ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are accepted"

_OURS = rb"\xff\xd8|\x89PNG|GIF8|RIFF.{4}WEBP|II\*\0|MM\0\*|.{4}ftyp"  # two letters, as BMP has, also begin texts

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


def decode(data: bytes, *, full: bool = False) -> Picture:
    """`opening.open_image` in this process, without its first two checks."""
    with quiet_pillow():
        try:
            return _decode(data, full)
        except PictureError:
            raise
        except UnidentifiedImageError:
            if re.match(_OURS, data, re.DOTALL):
                raise _damaged("its header cannot be read") from None
            raise PictureError(f"this is not a picture in a known format; {_ACCEPTED}, so export it as JPEG") from None
        except Image.DecompressionBombError:
            raise _too_many_pixels("far too many", MAX_PIXELS) from None
        except MemoryError:
            raise PictureError("opening it needs more memory than there is; save a smaller copy as JPEG") from None
        # Decoders meet a damaged file with almost any exception: struct.error, SyntaxError, even AssertionError.
        except Exception as error:
            raise _damaged(str(error) or type(error).__name__) from error


def thumbnail(image: Image.Image, *, side: int = 256) -> bytes:
    """JPEG whose longer side is `side` px, or the picture's own size when that is at most a quarter more; no metadata."""
    small = image if image.mode == "RGB" else image.convert("RGB")
    if max(image.size) > 1.25 * side:
        width, height = (max(1, round(length * side / max(image.size))) for length in image.size)
        small = small.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    small = small.copy()
    small.info = {}  # Pillow would write a comment found here
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def crop(picture: Picture, box: tuple[int, int, int, int]) -> Image.Image:
    """The region (x, y, width, height), in pixels of the whole picture. UsageError unless it lies inside."""
    x, y, width, height = box
    if min(width, height) < MIN_SIDE:
        raise UsageError(f"region {x},{y},{width},{height} is too small; each side needs at least {MIN_SIDE} px")
    if x < 0 or y < 0 or x + width > picture.width or y + height > picture.height:
        raise UsageError(
            f"region {x},{y},{width},{height} is not inside the picture, which is {picture.width} × {picture.height} px;"
            " give x,y,width,height with the origin at the top left"
        )
    across, down = picture.image.width / picture.width, picture.image.height / picture.height
    right, bottom = math.ceil((x + width) * across), math.ceil((y + height) * down)
    return picture.image.crop((int(x * across), int(y * down), right, bottom))


def upright_size(file: Path) -> tuple[int, int] | None:
    """(width, height) as the picture is seen; None when the header cannot be read."""
    try:
        with quiet_pillow(), Image.open(file, formats=FORMATS) as image:
            turned = _orientation(image) in (5, 6, 7, 8)
            return (image.height, image.width) if turned else image.size
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _decode(data: bytes, full: bool) -> Picture:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    width, height = image.size
    _check_size(width, height, kind)
    check_structure(image, kind, data)
    if kind == "JPEG" and not full:
        image.draft(None, (WORKING_SIDE, WORKING_SIDE))
    image.load()
    if kind != "JPEG":  # a GIF's first frame may be larger than its header says
        width, height = image.size
        _check_size(width, height, kind)
    orientation = _orientation(image)
    if orientation in (5, 6, 7, 8):  # stored lying on its side
        width, height = height, width
    frames = _frames(image, kind, data)
    return Picture(_upright_rgb(image, _TURNS.get(orientation)), width, height, kind, frames)


def _upright_rgb(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """A new image, so that nothing of the file's metadata hangs on it. `image` is closed to free its memory."""
    level = _white_level(image)
    if image.width * image.height <= _STRIP_PIXELS:
        whole = _rgb(image.crop((0, 0, *image.size)), level)
        whole.info = {}
        return whole if turn is None else whole.transpose(turn)
    # One byte a pixel and channel while the source is still held: 7 bytes a pixel at the peak instead of 8 to 12.
    planes = [Image.new("L", image.size) for _ in "RGB"]
    for top, strip in _strips(image):
        for index, band in enumerate(_rgb(strip, level).split()):
            planes[index].paste(band, (0, top))
    image.close()
    if turn is not None:
        planes = [planes.pop(0).transpose(turn) for _ in "RGB"]  # each old plane is freed before the next turns
    return Image.merge("RGB", planes)


def _rgb(strip: Image.Image, level: float) -> Image.Image:
    """`strip` as RGB; transparent shows white; `level` is the value that is white in a picture of numbers."""
    if strip.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(strip, dtype=np.float32), posinf=level, neginf=0)
        key = strip.info.get("transparency")
        if key is not None:  # a 16-bit PNG names one grey value that is transparent
            values = np.where(values == key, level, values)
        return Image.fromarray(np.rint(values.clip(0, level) * (255 / level)).astype(np.uint8)).convert("RGB")
    if not strip.has_transparency_data:
        return strip if strip.mode == "RGB" else strip.convert("RGB")
    clear = strip.convert("RGBA")
    white = Image.new("RGB", strip.size, "white")
    white.paste(clear.convert("RGB"), mask=clear.getchannel("A"))
    return white


def _white_level(image: Image.Image) -> float:
    """The smallest usual full scale that holds the largest value: cameras keep 10, 12 and 14 bits in files of 16."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return 255.0
    arrays = (np.nan_to_num(np.asarray(strip), posinf=0) for _, strip in _strips(image))
    largest = max(float(array.max()) for array in arrays)
    if largest <= 0:
        return 1.0
    scales = (1.0, 255.0, 65_535.0) if image.mode == "F" else (255.0, 1_023.0, 4_095.0, 16_383.0, 65_535.0, 2.0**31)
    return next((scale for scale in scales if largest <= scale), largest)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(top row, full-width strip of at most about a million pixels), from the top down."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
        return value if isinstance(value, int) else 1
    except Exception:  # damaged EXIF is no reason to refuse whole pixels
        return 1


def _frames(image: Any, kind: str, data: bytes) -> int:
    if kind not in ("GIF", "TIFF"):
        return int(getattr(image, "n_frames", 1))  # in the header
    again: Any = Image.open(io.BytesIO(data), formats=[kind])  # counting moves the position of a decoder
    try:
        if kind == "GIF":
            return min(int(again.n_frames), _MAX_FRAMES)
        for page in range(1, _MAX_FRAMES):
            again.seek(page)
        return _MAX_FRAMES
    except EOFError:
        return int(again.tell()) + 1
    except Exception:  # only the first frame is used; the rest may be damaged
        return 1


def _check_size(width: int, height: int, kind: str) -> None:
    if min(width, height) < MIN_SIDE:
        raise PictureError(
            f"the picture is {width} × {height} px and each side needs at least {MIN_SIDE} px; use a larger copy"
        )
    if max(width, height) > MAX_SIDE:
        raise PictureError(
            f"the picture is {width} × {height} px and a side may have at most {MAX_SIDE:,} px; save a smaller copy"
        )
    if width * height > _PIXELS[kind]:
        raise _too_many_pixels(f"{width * height / 1e6:,.2f}", _PIXELS[kind], kind)


def _too_many_pixels(megapixels: str, limit: int, kind: str = "") -> PictureError:
    of_kind = f" of a {kind}" if kind in ("WEBP", "AVIF", "HEIF") else ""
    return PictureError(
        f"the picture has {megapixels} megapixels and at most {limit / 1e6:.0f}{of_kind} are accepted;"
        " save a smaller copy as JPEG"
    )


def _damaged(detail: str) -> PictureError:
    # Pillow's own words may hold an object's address
    detail = re.sub(r"<[^>]*>", "", display_name(detail))[:120]
    return damaged(detail)
