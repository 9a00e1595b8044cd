"""A corpus of odd files, made when asked for, each with the exact verdict that `pipeline.images.decoding` must give.

Every colour picture shows the same four quarters, 64 × 48 px, so that one glance at four pixels tells whether it came
in upright and in its right colours. Expectations are written out by hand and never computed by the code under test.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin

from pipeline.images import refused_formats

WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE, SAND = (255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 180, 40)
COLOURS = (RED, GREEN, BLUE, SAND)  # top left, top right, bottom left, bottom right
GREYS = (0, 85, 170, 255)
WHITE = (255, 255, 255)
ON_WHITE = (RED, (127, 255, 127), WHITE, SAND)  # opaque, half transparent, fully transparent black, opaque
ALL_GREY = tuple((grey, grey, grey) for grey in GREYS)
DAMAGED, UNKNOWN = "damaged or cut short", "not a picture in a known format"


@dataclass(frozen=True)
class Odd:
    """A file and its verdict: `refused` is a pattern of the reason; else what the opened picture must be.

    quarters: RGB at the centre of each quarter, in the order of COLOURS. near: the most a channel may differ.
    """

    name: str
    make: Callable[[], bytes]
    refused: str = ""
    format: str = ""
    size: tuple[int, int] = (WIDTH, HEIGHT)
    working: tuple[int, int] = (0, 0)  # of `image` without full; (0, 0): the whole size
    quarters: tuple[tuple[int, int, int], ...] = COLOURS
    near: int = 0
    frames: int = 1
    file: str | bytes = "picture.jpg"
    heavy: bool = field(default=False, kw_only=True)  # hundreds of megabytes: for the benchmark

    def difference(self, outcome: Any, *, full: bool) -> str:
        """Empty when `outcome`, a Picture or an exception of `open_image`, is the verdict; else what is not."""
        if isinstance(outcome, Exception):
            said = f"{type(outcome).__name__}: {outcome}"
            expected = self.refused and type(outcome).__name__ == "PictureError" and re.search(self.refused, said)
            return "" if expected else said
        if self.refused:
            return f"accepted, though {self.refused!r} was expected"
        image, wanted = outcome.image, self.size if full or self.working == (0, 0) else self.working
        facts = [
            (type(image), Image.Image),
            (image.mode, "RGB"),
            (image.info, {}),
            (dict(image.getexif()), {}),
            (image.size, wanted),
            ((outcome.width, outcome.height), self.size),
            (outcome.format, self.format),
            (outcome.frames, self.frames),
        ]
        wrong = [f"{found} instead of {expected}" for found, expected in facts if found != expected]
        for (down, across), expected in zip(itertools.product((1, 3), repeat=2), self.quarters, strict=True):
            found = image.getpixel((image.width * across // 4, image.height * down // 4))
            if any(abs(a - b) > self.near for a, b in zip(found, expected, strict=True)):
                wrong.append(f"pixel {found} instead of {expected} ± {self.near}")
        return "; ".join(wrong)


def quarters(values: Any, *, dtype: Any = np.uint8, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(height, width) or (height, width, channels): the four values as four quarters."""
    first, second, third, fourth = (np.array(value, dtype=dtype) for value in values)
    array = np.empty((height, width, *first.shape), dtype=dtype)
    array[: height // 2, : width // 2], array[: height // 2, width // 2 :] = first, second
    array[height // 2 :, : width // 2], array[height // 2 :, width // 2 :] = third, fourth
    return array


def coloured(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    return Image.fromarray(quarters(COLOURS, width=width, height=height))


def grey() -> Image.Image:
    return Image.fromarray(quarters(GREYS))


def transparent() -> Image.Image:
    return Image.fromarray(quarters([(*RED, 255), (*GREEN, 128), (0, 0, 0, 0), (*SAND, 255)]))


def paletted() -> Image.Image:
    image = Image.fromarray(quarters([0, 1, 2, 3])).convert("P")
    image.putpalette([channel for colour in COLOURS for channel in colour])
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG chunk by chunk: what no encoder would write. rows: bytes, each row after its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    kind, data = chunk
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(array: np.ndarray) -> bytes:
    """Big-endian rows of a PNG, each after a filter byte of 0."""
    return b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in array)


# Where EXIF says the first stored row and the first stored column are seen, for orientations 1 to 8.
FIRST_ROW = ("top", "top", "bottom", "bottom", "left", "right", "right", "left")
FIRST_COLUMN = ("left", "right", "right", "left", "top", "top", "bottom", "bottom")


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels a camera held at `orientation` writes, pixel by pixel from the standard's wording."""
    first_row, first_column = FIRST_ROW[orientation - 1], FIRST_COLUMN[orientation - 1]
    width, height = upright.size
    shape = (width, height) if orientation <= 4 else (height, width)
    image = Image.new("RGB", shape)
    for row in range(image.height):
        for column in range(image.width):
            seen = {first_row: row, first_column: column}  # distance from each named edge
            x = seen["left"] if "left" in seen else width - 1 - seen["right"]
            y = seen["top"] if "top" in seen else height - 1 - seen["bottom"]
            image.putpixel((column, row), upright.getpixel((x, y)))
    return image


def turned(kind: str, orientation: int, pixels: Image.Image | None = None, **options: Any) -> bytes:
    """A file that says `orientation`; pixels: as stored, made from `coloured()` when not given."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind != "TIFF":  # Pillow writes no such block there
        exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}  # GPS
    return saved(pixels or stored(coloured(), orientation), kind, exif=exif, **options)


def many_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated 200 times."""
    data = saved(coloured(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 200 + b"\xff\xd9"


def zipped_pictures() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/1.png", saved(coloured(), "PNG"))
    return buffer.getvalue()


def _dng() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0xC612] = b"\1\4\0\0"
    return saved(coloured(), "TIFF", tiffinfo=tags)


def _lab() -> bytes:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return saved(ImageCms.profileToProfile(coloured(), srgb, lab, outputMode="LAB"), "TIFF")


def _frames(*colours: tuple[int, int, int]) -> list[Image.Image]:
    return [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in colours]


def _animated(kind: str, **options: Any) -> bytes:
    return saved(coloured(), kind, save_all=True, append_images=_frames(RED, BLUE), **options)


def _by_mode() -> Iterator[Odd]:
    """Every mode in every format that stores it."""
    lossless: list[tuple[str, Image.Image, tuple]] = [
        ("1", Image.fromarray(quarters([0, 255, 255, 0])).convert("1"), ((0, 0, 0), WHITE, WHITE, (0, 0, 0))),
        ("L", grey(), ALL_GREY),
        ("P", paletted(), COLOURS),
        ("RGB", coloured(), COLOURS),
        ("RGBA", transparent(), ON_WHITE),
        ("LA", Image.fromarray(quarters([(0, 255), (85, 255), (0, 0), (0, 51)])).copy(), ()),
        ("I;16", Image.fromarray(quarters([0, 21845, 43690, 65535], dtype=np.uint16)), ALL_GREY),
        ("I", Image.fromarray(quarters([0, 21845, 43690, 65535], dtype=np.int32)), ALL_GREY),
        ("F", Image.fromarray(quarters([0, 1 / 3, 2 / 3, 1], dtype=np.float32)), ALL_GREY),
        ("CMYK", Image.fromarray(quarters([(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 255)]), "CMYK"),
         (RED, GREEN, BLUE, (0, 0, 0))),
    ]  # fmt: skip
    la = ((0, 0, 0), (85, 85, 85), WHITE, (204, 204, 204))  # 51/255 of black over white
    stores = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "GIF": ("1", "L", "P"),
        "BMP": ("1", "L", "P", "RGB"),
        "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK"),
    }
    for kind, modes in stores.items():
        for mode, image, seen in lossless:
            if mode in modes:
                make = lambda image=image, kind=kind: saved(image, kind)  # noqa: E731
                yield Odd(f"{kind} {mode}", make, format=kind, quarters=seen or la, near=1)
    for mode, image, seen in lossless:
        if mode in ("L", "RGB", "CMYK"):
            make = lambda image=image: saved(image, "JPEG", quality=95)  # noqa: E731
            yield Odd(f"JPEG {mode}", make, format="JPEG", quarters=seen, near=8)
        if mode in ("L", "RGB", "RGBA"):
            for kind in ("WEBP", "AVIF"):
                make = lambda image=image, kind=kind: saved(image, kind, quality=95)  # noqa: E731
                yield Odd(f"{kind} {mode}", make, format=kind, quarters=seen, near=8)
    yield Odd("JPEG YCbCr in TIFF", lambda: saved(coloured(), "TIFF", compression="jpeg"), format="TIFF", near=12)
    yield Odd("TIFF group 4", lambda: saved(lossless[0][1], "TIFF", compression="group4"), format="TIFF", quarters=lossless[0][2])  # fmt: skip
    yield Odd("TIFF LAB", _lab, format="TIFF", near=24)  # eight bits of LAB are coarse
    yield Odd(
        "BMP RGBA", lambda: saved(transparent(), "BMP"), format="BMP", quarters=(RED, GREEN, (0, 0, 0), SAND)
    )  # a BMP's fourth byte has no meaning
    yield Odd("GIF transparent", lambda: saved(Image.fromarray(quarters([(*RED, 255), (*GREEN, 255), (0, 0, 0, 0), (*BLUE, 255)])), "GIF"),
              format="GIF", quarters=(RED, GREEN, WHITE, BLUE), near=1)  # fmt: skip
    yield Odd("PNG palette with transparency", lambda: saved(paletted(), "PNG", transparency=bytes([255, 128, 0, 255])),
              format="PNG", quarters=ON_WHITE, near=1)  # fmt: skip
    yield Odd("PNG 16-bit RGB", lambda: png(WIDTH, HEIGHT, 16, 2, _rows(quarters([tuple(c * 257 for c in colour) for colour in COLOURS], dtype=np.uint16))),
              format="PNG", near=1)  # fmt: skip
    yield Odd("PNG 16-bit grey, one value transparent", lambda: png(WIDTH, HEIGHT, 16, 0, _rows(quarters([0, 21845, 43690, 65535], dtype=np.uint16)), (b"tRNS", b"\x55\x55")),
              format="PNG", quarters=((0, 0, 0), WHITE, (170, 170, 170), WHITE), near=1)  # fmt: skip
    yield Odd("TIFF float with NaN and infinity", lambda: saved(Image.fromarray(quarters([np.nan, -np.inf, 0.5, np.inf], dtype=np.float32)), "TIFF"),
              format="TIFF", quarters=((0, 0, 0), (0, 0, 0), (128, 128, 128), WHITE), near=1)  # fmt: skip
    yield Odd("TIFF float over 65,535", lambda: saved(Image.fromarray(quarters([0, 1e5, 2e5, 3e5], dtype=np.float32)), "TIFF"),
              format="TIFF", quarters=ALL_GREY, near=1)  # fmt: skip
    yield Odd("TIFF 32-bit", lambda: saved(Image.fromarray(quarters([-5, 2**31 // 3, 2**31 // 3 * 2, 2**31 - 1], dtype=np.int32)), "TIFF"),
              format="TIFF", quarters=ALL_GREY, near=1)  # fmt: skip


def _turned() -> Iterator[Odd]:
    for orientation in range(1, 9):
        yield Odd(
            f"JPEG orientation {orientation}",
            lambda o=orientation: turned("JPEG", o, quality=95),
            format="JPEG",
            near=8,
        )
    yield Odd("JPEG orientation 9", lambda: saved(coloured(), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\x09\0\0\0\0\0\0"),
              format="JPEG", near=8)  # fmt: skip
    for kind in ("PNG", "WEBP", "TIFF", "AVIF"):
        options = {"quality": 95} if kind in ("WEBP", "AVIF") else {}
        yield Odd(f"{kind} orientation 6", lambda k=kind, o=options: turned(k, 6, **o), format=kind, near=8)
    yield Odd("JPEG 2048 × 1200 orientation 8, decoded smaller", lambda: turned("JPEG", 8, coloured(2048, 1200).transpose(Image.Transpose.ROTATE_270)),
              format="JPEG", size=(2048, 1200), working=(1024, 600), near=8)  # fmt: skip


def _cut() -> Iterator[Odd]:
    for kind in ("JPEG", "PNG"):
        whole = saved(coloured(1100, 1100) if kind == "JPEG" else coloured(), kind)
        offsets = [len(whole) * tenth // 10 for tenth in range(1, 10)] + [len(whole) - 1]
        for offset in offsets:
            yield Odd(
                f"{kind} cut to {offset} of {len(whole)}",
                lambda w=whole, o=offset: w[:o],
                refused=DAMAGED,
            )
    for kind in ("GIF", "WEBP", "BMP", "TIFF", "AVIF"):
        yield Odd(
            f"{kind} cut in half",
            lambda k=kind: (d := saved(coloured(), k))[: len(d) // 2],
            refused=DAMAGED,
        )


def _sized() -> Iterator[Odd]:
    def plain(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **options: Any) -> Callable[[], bytes]:
        return lambda: saved(Image.new(mode, (width, height), SAND if mode == "RGB" else None), kind, **options)

    sand = (SAND,) * 4
    yield Odd("1 × 1", plain(1, 1), refused="1 × 1 px and each side needs at least 8")
    yield Odd("1 × 20000", plain(1, 20_000), refused="1 × 20000 px and each side needs at least 8")
    yield Odd("8 × 8", plain(8, 8), format="PNG", size=(8, 8), quarters=sand)
    yield Odd("8 × 20000", plain(8, 20_000), format="PNG", size=(8, 20_000), quarters=sand)
    yield Odd("20001 × 8", plain(20_001, 8), refused="20001 × 8 px and a side may have at most 20,000")
    yield Odd("8 × 20001", plain(8, 20_001), refused="8 × 20001 px and a side")
    yield Odd("PNG header of 60000 × 60000", lambda: png(60_000, 60_000, 8, 2, b""), refused="far too many megapixels")
    yield Odd(
        "PNG header of 10000 × 10000",
        lambda: png(10_000, 10_000, 8, 2, b""),
        refused="100.00 megapixels and at most 50",
    )
    yield Odd("PNG header of 0 × 0", lambda: png(0, 0, 8, 2, b""), refused=DAMAGED)
    yield Odd(
        "WebP over its own limit",
        plain(4800, 4800, "WEBP", method=0),
        refused="23.04 megapixels and at most 22 of a WEBP",
    )
    yield Odd("JPEG of 50 megapixels", lambda: saved(coloured(8000, 6250), "JPEG"), format="JPEG", size=(8000, 6250),
              working=(1000, 782), near=8)  # fmt: skip
    yield Odd(
        "JPEG of 50.01 megapixels", lambda: saved(Image.new("L", (8000, 6251)), "JPEG"), refused="50.01 megapixels"
    )
    heavy = {
        "PNG RGB of 50 megapixels": ("PNG", lambda: saved(coloured(8000, 6250), "PNG", compress_level=1)),
        "PNG L of 50 megapixels": ("PNG", lambda: saved(Image.new("L", (8000, 6250), 9), "PNG", compress_level=1)),
        "PNG RGBA of 50 megapixels": (
            "PNG",
            lambda: saved(Image.new("RGBA", (8000, 6250), (9, 9, 9, 255)), "PNG", compress_level=1),
        ),
        "PNG 16-bit of 50 megapixels": (
            "PNG",
            lambda: saved(Image.new("I;16", (8000, 6250), 9 * 257), "PNG", compress_level=1),
        ),
        "JPEG CMYK of 50 megapixels": (
            "JPEG",
            lambda: saved(Image.new("RGB", (8000, 6250), (9, 9, 9)).convert("CMYK"), "JPEG"),
        ),
    }
    for name, (kind, make) in heavy.items():
        seen = COLOURS if "RGB of" in name else ((9, 9, 9),) * 4
        yield Odd(name, make, format=kind, size=(8000, 6250), quarters=seen, near=2, heavy=True,
                  working=(1000, 782) if kind == "JPEG" else (0, 0))  # fmt: skip
    yield Odd(
        "WebP of 22 megapixels",
        lambda: saved(coloured(5500, 4000), "WEBP", method=0),
        format="WEBP",
        size=(5500, 4000),
        near=8,
        heavy=True,
    )
    yield Odd(
        "AVIF of 32 megapixels",
        lambda: saved(coloured(6400, 5000), "AVIF", speed=10),
        format="AVIF",
        size=(6400, 5000),
        near=8,
        heavy=True,
    )
    jpeg = saved(coloured(), "JPEG", quality=95)
    yield Odd("JPEG of 20 MB exactly", lambda: jpeg.ljust(20 * 2**20, b"\0"), format="JPEG", near=8)
    yield Odd("JPEG of 20 MB and a byte", lambda: jpeg.ljust(20 * 2**20 + 1, b"\0"), refused="at most 20 MB")


def _layered() -> Iterator[Odd]:
    """More in the file than one plain picture."""
    yield Odd("GIF animated", lambda: _animated("GIF"), format="GIF", frames=3, near=1)
    yield Odd("WebP animated", lambda: _animated("WEBP", lossless=True), format="WEBP", frames=3)
    yield Odd("APNG", lambda: _animated("PNG"), format="PNG", frames=3)
    yield Odd(
        "APNG of no frames",
        lambda: png(WIDTH, HEIGHT, 8, 2, _rows(quarters(COLOURS)), (b"acTL", bytes(8))),
        format="PNG",
    )
    yield Odd("AVIF animated", lambda: _animated("AVIF", quality=95), format="AVIF", frames=3, near=8)
    yield Odd("TIFF of three pages", lambda: _animated("TIFF"), format="TIFF", frames=3)
    yield Odd(
        "MPO of two pictures",
        lambda: saved(coloured(), "MPO", quality=95, save_all=True, append_images=_frames(RED)),
        format="JPEG",
        frames=2,
        near=8,
    )
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield Odd(
        "JPEG with ICC profile",
        lambda: saved(coloured(), "JPEG", quality=95, icc_profile=profile),
        format="JPEG",
        near=8,
    )
    yield Odd("PNG with ICC profile", lambda: saved(coloured(), "PNG", icc_profile=profile), format="PNG")
    yield Odd(
        "JPEG with comment", lambda: saved(coloured(), "JPEG", quality=95, comment=b"at home"), format="JPEG", near=8
    )
    yield Odd("JPEG with damaged EXIF", lambda: saved(coloured(), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12\x99garbage"),
              format="JPEG", near=8)  # fmt: skip
    yield Odd(
        "JPEG progressive", lambda: saved(coloured(), "JPEG", quality=95, progressive=True), format="JPEG", near=8
    )
    yield Odd("JPEG of 200 scans", many_scans, refused="more than 64 scans")
    bomb = zlib.compress(bytes(100 * 2**20))
    yield Odd(
        "PNG with a text chunk of 100 MB",
        lambda: png(WIDTH, HEIGHT, 8, 2, _rows(quarters(COLOURS)), (b"zTXt", b"a\0\0" + bomb)),
        refused=DAMAGED,
    )
    yield Odd(
        "PNG with a profile of 100 MB",
        lambda: png(WIDTH, HEIGHT, 8, 2, _rows(quarters(COLOURS)), (b"iCCP", b"a\0\0" + bomb)),
        refused=DAMAGED,
    )
    yield Odd(
        "PNG with pixels of 100 MB",
        lambda: png(WIDTH, HEIGHT, 8, 2, _rows(quarters(COLOURS)) + bytes(100 * 2**20)),
        format="PNG",
    )
    jpeg = saved(coloured(), "JPEG", quality=95, comment=b"%PDF-1.4 <script>alert(1)</script>")
    yield Odd("JPEG that is a PDF and a zip too", lambda: jpeg + zipped_pictures(), format="JPEG", near=8)
    yield Odd("JPEG with a video after it", lambda: jpeg + b"\xff\xda" * 500, format="JPEG", near=8)
    yield Odd(
        "GIF that is a web page too",
        lambda: saved(paletted(), "GIF") + b"<html><script>alert(1)</script>",
        format="GIF",
    )


def _foreign() -> Iterator[Odd]:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><rect width="9" height="9"/></svg>'
    files = {
        "empty": (b"", "the file is empty"),
        "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page, .*save the picture itself"),
        "text": (b"hello, this is no picture\n", UNKNOWN),
        "zeros": (bytes(5000), UNKNOWN),
        "SVG": (svg, "an SVG drawing, .*export it as PNG"),
        "SVG after a declaration": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n' + svg, "an SVG drawing"),
        "thousands of comments": (b"<!---->" * 3000, UNKNOWN),
        "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "a PDF document, .*export its page"),
        "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "an EPS or PostScript"),
        "EPS with preview": (b"\xc5\xd0\xd3\xc6" + bytes(28), "an EPS or PostScript"),
        "HEIC": (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
            "damaged" if refused_formats.opens_heif() else "a HEIC photo, .*export it as JPEG",
        ),
        "HEIF of the generic brand": (
            b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(99),
            "damaged" if refused_formats.opens_heif() else "a HEIC photo",
        ),
        "AVIF of the generic brand without pixels": (
            b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif" + bytes(99),
            DAMAGED,
        ),
        "JPEG XL": (b"\xff\x0a\xfa\x1f\x01\x90\x80\x00", "a JPEG XL picture"),
        "JPEG XL in a container": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "a JPEG XL picture"),
        "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20), "a JPEG 2000 picture"),
        "Canon RAW": (b"II*\0\x10\0\0\0CR\2\0" + bytes(99), "RAW file"),
        "Fuji RAW": (b"FUJIFILMCCD-RAW 0201FF383501" + bytes(99), "RAW file"),
        "Photoshop": (b"8BPS\0\1" + bytes(99), "a Photoshop file"),
        "video": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(99), "a video"),
        "zip": (zipped_pictures(), "a zip archive"),
        "JPEG's first bytes": (b"\xff\xd8\xff\xe0\0\x10JFIF", DAMAGED),
    }
    for name, (data, refused) in files.items():
        yield Odd(name, lambda data=data: data, refused=refused)
    yield Odd("DNG", _dng, refused="RAW file, .*develop it")
    yield Odd("icon, a format not on the list", lambda: saved(coloured(), "ICO", sizes=[(16, 16)]), refused=UNKNOWN)
    yield Odd("PNG named .jpg", lambda: saved(coloured(), "PNG"), format="PNG", file="shoe.jpg")
    yield Odd("name that is no UTF-8", lambda: saved(coloured(), "PNG"), format="PNG", file=b"caf\xe9.png")
    yield Odd("name of markup", lambda: saved(coloured(), "PNG"), format="PNG", file="![x](y) &lt;b&gt; $a$.png")


def corpus(*, heavy: bool = False) -> list[Odd]:
    """All odd files; the heavy ones, which take hundreds of megabytes to open, only when asked for."""
    groups = (_by_mode(), _turned(), _cut(), _sized(), _layered(), _foreign())
    return [odd for odd in itertools.chain.from_iterable(groups) if heavy or not odd.heavy]


def file_name(odd: Odd, folder: str) -> str:
    """Where `odd` lies below `folder`, in a folder of its own because names repeat."""
    own = re.sub(r"[^A-Za-z0-9]+", "_", odd.name)
    return os.path.join(folder, own, os.fsdecode(odd.file))
