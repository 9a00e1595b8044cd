"""What folders are searched for: files that are meant as pictures, or as films, by their names or their first bytes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

READABLE = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
# fmt: off
_RAW = (
    "cr2", "cr3", "crw", "nef", "nrw", "arw", "sr2", "srf", "dng", "raf", "orf", "rw2", "pef", "srw", "x3f", "iiq", "3fr", "erf",
    "kdc", "mrw", "mos",
)
_PLAYED = (
    "mp4", "m4v", "mov", "qt", "mkv", "webm", "avi", "mpg", "mpeg", "m2v", "vob", "mts", "m2ts", "wmv", "asf", "flv", "f4v", "3gp",
    "3g2", "ogv", "mxf", "divx",
)
# fmt: on
# Pictures to their owner, refused when opened: naming them lets ingest say why instead of passing over them.
REFUSED = ("svg", "heic", "heif", "hif", "pdf", "eps", "psd", "jxl", "jp2", "j2k", *_RAW)
_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|.{4}ftyp(avi[fs]|hei[cmsx]|hev[cmsx]|mif1|msf1)"
    rb"|BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|\xff\x0a|\0\0\0\x0cJXL ",
    re.DOTALL,
)
_FILM = re.compile(
    rb".{4}ftyp(?!avi[fs]|mif1|msf1|hei[cmsx]|hev[cmsx]|crx |M4A )|\x1a\x45\xdf\xa3|RIFF.{4}AVI |\0\0\x01\xba|FLV\x01"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11|OggS",
    re.DOTALL,
)


@dataclass(frozen=True)
class Wanted:
    """What a folder is searched for. content: what the first 32 bytes of a file without such a suffix look like."""

    noun: str
    suffixes: tuple[str, ...]  # without the dot
    refused: tuple[str, ...]
    content: re.Pattern[bytes]

    def has_suffix(self, name: str) -> bool:
        suffix = os.path.splitext(name)[1].lower().removeprefix(".")
        return suffix in self.suffixes or suffix in self.refused


PICTURES = Wanted("picture", READABLE, REFUSED, _PICTURE)
FILMS = Wanted("film", _PLAYED, (), _FILM)
