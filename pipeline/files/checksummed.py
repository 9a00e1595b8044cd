"""Files that tell when they were changed.

Of JSON `checksum` is 16 hex digits of the SHA-256 over all its other keys; a JPEG has its CRC-32 after its end.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from pipeline.files import atomic

_CHANGED = 'its checksum does not fit; if it was changed by hand, delete "checksum" in it'
_END = b"\xff\xd9"  # of every JPEG
_LENGTH = 4


def write(path: Path, value: dict[str, Any]) -> None:
    value = json.loads(json.dumps(value))  # as it will be read
    atomic.write_json(path, value | {"checksum": checksum(value)})


def opened(value: dict[str, Any]) -> dict[str, Any]:
    """Without its checksum; a file that never had one is taken as it is. ValueError when it does not fit."""
    recorded = value.pop("checksum", None)
    if recorded is not None and recorded != checksum(value):
        raise ValueError(_CHANGED)
    return value


def checksum(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def sealed_line(value: dict[str, Any]) -> str:
    """One line of a file to which lines are added, its checksum included."""
    return json.dumps(value | {"checksum": checksum(value)}, ensure_ascii=False) + "\n"


def sealed_jpeg(jpeg: bytes) -> bytes:
    """What a thumbnail's file holds: viewers pass over what stands after the end of a JPEG."""
    return jpeg + zlib.crc32(jpeg).to_bytes(_LENGTH, "big")


def read_jpeg(file: Path) -> bytes:
    """The JPEG; b"" when it is missing, cut or changed. An older Semblance's has no checksum: its end is looked at."""
    try:
        data = file.read_bytes()
    except OSError:
        return b""
    jpeg = data[:-_LENGTH]
    if jpeg.endswith(_END):
        return jpeg if sealed_jpeg(jpeg) == data else b""
    return data if data.endswith(_END) else b""
