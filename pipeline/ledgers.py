"""The two lists a gallery keeps beside its parts: merged.csv (same bytes, other path) and rejected.csv (with reasons)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pipeline import atomic

MERGED, REJECTED = "merged.csv", "rejected.csv"
_HEADINGS = {MERGED: ("id", "path", "label", "split"), REJECTED: ("path", "reason")}


def read(file: Path) -> list[list[str]]:
    """Rows, the heading left out. A last row torn by a crash is passed over."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:  # newline="": one may be in a file's name
        content = lines.read()
    rows = list(csv.reader(io.StringIO(content, newline="")))
    whole = rows if content.endswith("\n") else rows[:-1]
    return [row for row in whole[1:] if len(row) == len(rows[0])]


def write(file: Path, rows: Sequence[Sequence[str]]) -> None:
    """Replace the whole list, unless it says this already."""
    content = _text([_HEADINGS[file.name], *rows])
    if not file.exists() or file.read_bytes() != content.encode("utf-8"):
        with atomic.replacing(file) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="")


def append(file: Path, rows: Sequence[Sequence[str]]) -> None:
    """Add rows to a list that exists; on the disk when this returns."""
    atomic.append(file, _text(rows))


def _text(rows: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
