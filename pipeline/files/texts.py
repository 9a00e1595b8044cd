"""Text as people's programs write it: which bytes mean which letters."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def marked_encoding(data: bytes) -> str:
    """What a byte order mark says; UTF-8 without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")


def has_mark(data: bytes) -> bool:
    return any(data.startswith(mark) for mark, _ in _MARKS)


def decoded(data: bytes) -> str:
    """A file's text, its mark followed and taken off. Raises UnicodeDecodeError for what is neither UTF-8 nor marked."""
    return data.decode(marked_encoding(data))


def head_of(file: Path, size: int) -> str:
    """The text that a file begins with, at most `size` bytes of it; what cannot be read is replaced."""
    with file.open("rb") as stream:
        data = stream.read(size)
    return data.decode(marked_encoding(data), errors="replace")
