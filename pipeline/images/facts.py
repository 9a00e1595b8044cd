"""What a picture's file says of itself: when it was taken, with what, and, only where that is asked for, where.

Nothing of it is in pixels or thumbnails; it goes into the metadata of the picture's row.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from typing import Any

from pipeline import readings
from pipeline.errors import UsageError
from pipeline.images.decoding import FORMATS
from pipeline.images.quiet_pillow import quiet_pillow
from pipeline.settings import exposed

KINDS = (
    "exif",
    "size",
    "place",
)  # exif: KEYS but the last two; size: file_size; place: taken_at, latitude and longitude
USUAL = ("exif",)
KEYS = ("taken", "camera", "lens", "file_size", "taken_at")
MAX_CHARACTERS = 100
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_MAKE, _MODEL, _TAKEN, _DIGITIZED, _LENS = 0x010F, 0x0110, 0x9003, 0x9004, 0xA434


def chosen(text: str) -> tuple[str, ...]:
    """`exif,size` as typed; none = nothing. UsageError for another word."""
    names = tuple(dict.fromkeys(filter(None, (one.strip() for one in text.split(",")))))
    if names == ("none",):
        return ()
    if unknown := [name for name in names if name not in KINDS]:
        raise UsageError(f"no facts {unknown[0]!r} in a picture's file; choose from {', '.join(KINDS)}, or none")
    return names


def of_file(data: bytes, wanted: Collection[str] = USUAL) -> dict[str, str]:
    """Of KEYS those that the file knows. A file that is damaged, or without EXIF, knows fewer.

    SEMBLANCE_EXPOSED: EXIF is passed over, because strangers' bytes are opened in the sandbox alone.
    """
    facts = {"file_size": str(len(data))} if "size" in wanted else {}
    if exposed() or not {"exif", "place"}.intersection(wanted):
        return facts
    try:
        from PIL import Image

        with quiet_pillow(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            exif = image.getexif()
            more, place = exif.get_ifd(_EXIF_IFD), exif.get_ifd(_GPS_IFD)
    except Exception:  # readers meet a damaged file with almost any; the decoder says what is wrong with it
        return facts
    if "exif" in wanted:
        facts |= {"taken": _taken(more), "camera": _camera(exif), "lens": _text(more.get(_LENS))}
    if "place" in wanted:
        facts["taken_at"] = _place(place)
    return {key: text for key, text in facts.items() if text}


def _taken(exif: Mapping[int, Any]) -> str:
    """By the camera's clock, as 2024-05-03 14:07:09; '' where it was never set."""
    for tag in (_TAKEN, _DIGITIZED):
        text = _text(exif.get(tag))[:19]
        if len(text) == 19 and readings.date(text):
            return text[:10].replace(":", "-") + " " + text[11:]
    return ""


def _camera(exif: Mapping[int, Any]) -> str:
    make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
    return model if model.lower().startswith(make.lower().split(" ")[0]) else f"{make} {model}".strip()


def _text(value: Any) -> str:
    """One line of it; EXIF pads with zeros and blanks, and some cameras fill fields with rubbish."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    line = " ".join(value.split("\0")[0].split())
    return line[:MAX_CHARACTERS] if line.isprintable() else ""


def _place(gps: Mapping[int, Any]) -> str:
    """`48.13720, 11.57560`: degrees north and east; '' where they are not two angles."""
    try:
        north, east = (_degrees(gps[tag + 1], str(gps[tag])) for tag in (1, 3))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return ""
    known = abs(north) <= 90 and abs(east) <= 180 and (north or east)
    return f"{north:.5f}, {east:.5f}" if known else ""


def _degrees(parts: Any, side: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return (degrees + minutes / 60 + seconds / 3600) * (-1 if side.strip("\0 ").upper() in ("S", "W") else 1)
