"""Files that are not opened here: told by their first bytes, or by a structure that a decoder would let through."""

from __future__ import annotations

import functools
import re
from typing import Any

from pipeline.errors import PictureError

_MAX_SCANS = 64  # encoders write about 10; thousands of empty scans keep a decoder busy for minutes
_NEW_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 0x00FE, 0x014A, 0xC612

_HEIF = "export it as JPEG, or install pillow-heif where this runs: pip install pillow-heif"

# What a file is, told by its first bytes, and the remedy. An AVIF may carry HEIF's generic brand mif1, so that rule
# looks at the brands that follow. Each pattern has one open-ended part at most: a hostile file costs no backtracking.
# fmt: off
_FOREIGN = [
    (rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)", "a web page", "save the picture itself, not its page"),
    (rb"(\xef\xbb\xbf)?\s*<(svg|[?!].{0,4000}?<svg)", "an SVG drawing", "export it as PNG"),
    (rb"\s*%PDF-", "a PDF document", "export its page as JPEG or PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "an EPS or PostScript drawing", "export it as PNG"),
    (rb".{4}ftyp(hei[cmsx]|hev[cmsx]|(mif1|msf1)(?!.{4,60}avi[fs]))", "a HEIC photo", _HEIF),
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n", "a JPEG XL picture", "export it as JPEG"),
    (rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51", "a JPEG 2000 picture", "export it as JPEG"),
    (rb"II\*\0.{4}CR|.{4}ftypcrx|FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\0|FOVb|\0MRM",
     "a camera's RAW file", "develop it and export it as JPEG"),
    (rb"8BPS", "a Photoshop file", "export it as PNG"),
    (rb"PK\x03\x04", "a zip archive", "upload it where a zip is asked for, or unpack it first"),
    (rb".{4}ftyp(?!avi[fs]|mif1|msf1|hei[cmsx]|hev[cmsx])|\x1a\x45\xdf\xa3", "a video", "export one of its frames as JPEG"),
]
# fmt: on


@functools.cache
def opens_heif() -> bool:
    """Whether Pillow opens HEIF now; the first call teaches it. One thread a picture: the sandbox starts none."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.register_heif_opener()
    return True


def check_head(data: bytes) -> None:
    """PictureError, with what the file is and the remedy, when it begins like a format that is not opened here."""
    head = data[:4096]
    for pattern, what, remedy in _FOREIGN:
        if remedy == _HEIF and opens_heif():
            continue
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            raise PictureError(f"this is {what}, which is not opened here; {remedy}")


def damaged(detail: str) -> PictureError:
    return PictureError(f"the file is damaged or cut short ({detail}); copy it again, or export it again as JPEG")


def check_structure(image: Any, kind: str, data: bytes) -> None:
    """What a decoder would let through: a PNG without its end, a JPEG of endless scans, a RAW file posing as TIFF."""
    if kind == "PNG" and b"\0\0\0\0IEND\xae\x42\x60\x82" not in data:
        raise damaged("the PNG has no end")
    if kind == "JPEG" and data.count(b"\xff\xda") > _MAX_SCANS and _scans(data) > _MAX_SCANS:
        raise PictureError(f"the JPEG has more than {_MAX_SCANS} scans; export it again as an ordinary JPEG")
    if kind == "TIFF":
        tags = image.tag_v2
        if _DNG_VERSION in tags or (_SUB_IFDS in tags and int(tags.get(_NEW_SUBFILE_TYPE, 0)) & 1):
            raise PictureError(
                "this is a camera's RAW file, which is not opened here; develop it and export it as JPEG"
            )


def _scans(data: bytes) -> int:
    """Scans of a JPEG up to its end marker. A video or a second picture may follow in the same file."""
    scans, position = 0, 2
    marker = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
    while (found := marker.search(data, position)) and found[1] != b"\xd9" and scans <= _MAX_SCANS:
        scans += found[1] == b"\xda"
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans
