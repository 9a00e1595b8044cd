"""Errors a user can cause, and any text of a stranger as it can be shown: in a sentence, or in a spreadsheet.

Each message says what is wrong, what was expected and what to do.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from typing import Any

MAX_LISTED = 40  # choices that a sentence names
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_it_is(message: str) -> str:
    return message


class SemblanceError(Exception):
    """One clear sentence for a person; the command line prints it and exits with `exit_code`."""

    exit_code = 1
    shown = staticmethod(as_it_is)  # the app puts in its place what hides this machine's paths from visitors

    def __str__(self) -> str:
        return self.shown(super().__str__())


class UsageError(SemblanceError):
    """The request itself is wrong (a bad name, option or number), so nothing was tried."""

    exit_code = 2


class PictureError(SemblanceError):
    """A file that is not a picture we accept; the message is the reason shown in rejected.csv."""


class GalleryError(SemblanceError):
    """A gallery that is missing, damaged or made with another encoder."""


class StoreError(SemblanceError):
    """Milvus refused, timed out or cannot be reached. Nothing is lost: the gallery on disk is the truth."""


class StoreLocked(StoreError):
    """The embedded Milvus file is held by another process; `passing`: by a command that ends by itself, not by the app."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


def display_name(name: str | bytes | os.PathLike[str]) -> str:
    """Any file name as one line of printable text: undecodable bytes, controls and bidi marks become \\x.. or \\u...."""
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else os.fspath(name)
    return "".join(map(_printable, text))


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: the first MAX_LISTED of them, and how many more there are."""
    known = [display_name(name) for name in names]
    more = len(known) - MAX_LISTED
    return ", ".join(known[:MAX_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def spreadsheet_cell(value: Any) -> Any:
    """The value; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _printable(char: str) -> str:
    if char.isprintable() or char in "\u200c\u200d":  # these two join letters in Persian, Hindi and emoji
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    if "\udc80" <= char <= "\udcff":  # os.fsdecode's mark for a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape", "surrogatepass").decode()
