"""A thumbnail as a file: a JPEG and, after its end, the CRC-32 of it, which viewers pass over."""

from __future__ import annotations

import zlib
from pathlib import Path

_END = b"\xff\xd9"  # of every JPEG
_LENGTH = 4


def content(jpeg: bytes) -> bytes:
    """What the file holds."""
    return jpeg + zlib.crc32(jpeg).to_bytes(_LENGTH, "big")


def read(file: Path) -> bytes:
    """The JPEG; b"" when it is missing, cut or changed. An older Semblance's has no checksum: its end is looked at."""
    try:
        data = file.read_bytes()
    except OSError:
        return b""
    jpeg = data[:-_LENGTH]
    if jpeg.endswith(_END):
        return jpeg if content(jpeg) == data else b""
    return data if data.endswith(_END) else b""
