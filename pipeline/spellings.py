"""One name in two Unicode forms is one name: macOS writes é as e and an accent (NFD), most others as one letter (NFC)."""

from __future__ import annotations

import unicodedata


def spellings(text: str) -> list[str]:
    """`text` first, then its forms that differ from it: what a disk, a store or an older gallery may hold."""
    return list(dict.fromkeys([text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]))


def composed(text: str) -> str:
    """In the form in which labels are kept and names are compared (NFC)."""
    return unicodedata.normalize("NFC", text)
