"""Names in a zip as they were meant: zips of Windows hold the letters of a country's code page, and do not say which."""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence

from pipeline.errors import UsageError

# An East Asian sign held by letters, and signs that file names rarely have beside letters: halves of other code pages' letters
_HELD = re.compile(r"[A-Za-z][\u3000-\uffff]+[a-z]|[^\x00-\x7f][\^`{|}~\\]|[^\x00-\x7f]\[[^]]*$|[^\x00-\x7f]@")
_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # Info-ZIP's extra field: version, CRC-32 of the plain name, the name in UTF-8


def member_names(members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The names, in order. Raises UsageError where two languages are equally likely: labels come from these names."""
    plain = [_told(member) for member in members]
    raw = [b"" if name is not None else _bytes(member) for name, member in zip(plain, members, strict=True)]
    odd = [one for one in raw if not one.isascii()]
    encoding = _encoding(odd) if odd else "ascii"
    return [one.decode(encoding) if name is None else name for name, one in zip(plain, raw, strict=True)]


def _told(member: zipfile.ZipInfo) -> str | None:
    """The name, where the zip itself says which letters it is of."""
    if member.flag_bits & _UTF8_FLAG:
        return member.filename
    extra = member.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        body = extra[4 : 4 + size]
        if kind == _UNICODE_PATH and size > 5 and struct.unpack("<I", body[1:5])[0] == zlib.crc32(_bytes(member)):
            return body[5:].decode("utf-8", "replace")
        extra = extra[4 + size :]
    return None


def _bytes(member: zipfile.ZipInfo) -> bytes:
    """The name as it stands in the zip; zipfile reads it as cp437."""
    try:
        return member.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # it was told as UTF-8
        return member.orig_filename.encode()


def _encoding(names: Sequence[bytes]) -> str:
    together = b"/".join(names)
    try:
        together.decode("utf-8")
        return "utf-8"  # macOS writes it without saying so; no other letters look like it by chance
    except UnicodeDecodeError:
        pass
    likely: dict[str, str] = {}  # by what is read, so that two code pages which agree are one
    for encoding, fits in _LANGUAGES.items():
        try:
            text = together.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _HELD.search(text) and fits([char for char in text if not char.isascii()], text):
            likely.setdefault(text, encoding)
    if len(likely) > 1:
        readings = [
            f"{next(part for part in text.split('/') if not part.isascii())!r} ({e})" for text, e in likely.items()
        ]
        raise UsageError(
            f"the zip does not say which letters its names are of; they could be {' or '.join(readings)}: make it again with "
            "UTF-8 names, or rename its folders"
        )
    return next(iter(likely.values()), "cp437")


def _within(encoding: str, chars: Sequence[str]) -> bool:
    try:
        "".join(chars).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _japanese(chars: Sequence[str], text: str) -> bool:
    """Kana or Chinese characters of JIS X 0208's common half, and none of the half-width kana that other letters look like."""
    common = all(
        "\u3000" <= char <= "\u30ff" or _row(char, "euc_jp") < 48 or "\uff01" <= char <= "\uff5e" for char in chars
    )
    return common and any("\u3040" <= char <= "\u9fff" for char in chars) and _within("euc_jp", chars)


def _chinese(chars: Sequence[str], text: str) -> bool:
    return (
        _within("gb2312", chars) and all(char >= "\u3000" for char in chars) and any(char >= "\u4e00" for char in chars)
    )


def _korean(chars: Sequence[str], text: str) -> bool:
    """Of the 2,350 syllables of KS X 1001, which Python writes in two bytes."""
    return all("\uac00" <= char <= "\ud7a3" and len(char.encode("euc_kr", "ignore")) == 2 for char in chars)


def _cyrillic(chars: Sequence[str], text: str) -> bool:
    """Words of these letters alone, capitals only where a word begins or throughout."""
    words = [word for word in "".join(char if char.isalpha() else " " for char in text).split() if not word.isascii()]
    return all("а" <= char.lower() <= "я" or char.lower() in "ёіїєґў" for char in chars) and all(
        not any(char.isascii() for char in word) and (word[1:].islower() or word.isupper() or len(word) == 1)
        for word in words
    )


def _western(chars: Sequence[str], text: str) -> bool:
    """Accents among plain letters, capitals among capitals."""
    words = "".join(char if char.isalpha() else " " for char in text).split()
    return (
        all(unicodedata.name(char, "").startswith("LATIN ") and char not in "ªº" for char in chars)
        and sum(map(len, words)) > 2 * len(chars)
        and all(word[1:].islower() or word.isupper() or len(word) == 1 for word in words)
    )


def _row(char: str, encoding: str) -> int:
    """Of a character in its country's table; the common ones stand in the rows below 48."""
    try:
        return char.encode(encoding)[0] - 0xA0
    except UnicodeEncodeError:
        return 99


_LANGUAGES: dict[str, Callable[[Sequence[str], str], bool]] = {
    "cp932": _japanese,
    "gbk": _chinese,
    "cp949": _korean,
    "cp866": _cyrillic,
    "cp1251": _cyrillic,
    "cp437": _western,
    "cp850": _western,
    "cp1252": _western,
}
