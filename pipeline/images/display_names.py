"""Any file name, or any other text of a stranger, as one line that can be shown."""

from __future__ import annotations

import os
import unicodedata


def display_name(name: str | bytes | os.PathLike[str]) -> str:
    """Any file name as one line of printable text: undecodable bytes, controls and bidi marks become \\x.. or \\u...."""
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else os.fspath(name)
    return "".join(map(_printable, text))


def _printable(char: str) -> str:
    if char.isprintable() or char in "\u200c\u200d":  # these two join letters in Persian, Hindi and emoji
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    if "\udc80" <= char <= "\udcff":  # os.fsdecode's mark for a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape", "surrogatepass").decode()
