"""The lists a gallery keeps beside its parts.

merged.csv: further files with the same bytes. rejected.csv: files that were left out, with reasons. owners.csv: the
number of the dataset that a row belongs to, its place in the manifest. gone.csv: rows whose file was not there.
words.csv: what was read inside pictures, '' where nothing was.

Each row ends with the CRC-32 of its other cells; in a list of an older Semblance it does not.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.files import atomic

MERGED, REJECTED, OWNERS, GONE, WORDS = "merged.csv", "rejected.csv", "owners.csv", "gone.csv", "words.csv"
_HEADINGS = {
    MERGED: ("id", "path", "label", "split"),
    REJECTED: ("path", "reason"),
    OWNERS: ("id", "dataset"),
    GONE: ("id", "path"),
    WORDS: ("id", "words"),
}
NAMES = tuple(_HEADINGS)
_CHECK = "crc"


def read(file: Path) -> list[list[str]]:
    """Rows, heading and checksums left out. A row that is torn or was changed is passed over."""
    return _rows(file)[0]


def damaged(file: Path) -> bool:
    """Whether something in it is not what was written, or is torn."""
    return _rows(file)[1]


def _rows(file: Path) -> tuple[list[list[str]], bool]:
    """Its whole rows, and whether others are in it."""
    if not file.exists():
        return [], False
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:  # newline="": one may be in a file's name
        content = lines.read()
    try:
        heading, *rows = list(csv.reader(io.StringIO(content, newline=""))) or [[]]
    except csv.Error:  # a NUL
        return [], True
    whole = rows if content.endswith("\n") else rows[:-1]
    columns = list(_HEADINGS[file.name])
    if heading == columns:
        good = [row for row in whole if len(row) == len(columns)]
    else:
        good = [row[:-1] for row in whole if len(row) == len(columns) + 1 and row[-1] == _check(row[:-1])]
    return good, heading not in (columns, [*columns, _CHECK]) or len(good) < len(rows)


def sizes(gallery: Path) -> dict[str, int]:
    """Bytes of the lists in a gallery's folder, judgments too: one that is shorter later has lost its end."""
    files = (gallery / name for name in (*NAMES, "judgments.jsonl"))
    return {file.name: file.stat().st_size for file in files if file.exists()}


def write(file: Path, rows: Sequence[Sequence[str]]) -> bool:
    """Replace the whole list, unless it says this already; whether it did not."""
    content = _text([(*_HEADINGS[file.name], _CHECK)]) + _sealed(rows)
    if file.exists() and file.read_bytes() == content.encode("utf-8"):
        return False
    with atomic.replacing(file) as temporary:
        temporary.write_text(content, encoding="utf-8", newline="")
    return True


def append(file: Path, rows: Sequence[Sequence[str]]) -> None:
    """Add rows to a list that exists; on the disk when this returns."""
    atomic.append(file, _sealed(rows))


def _sealed(rows: Sequence[Sequence[str]]) -> str:
    return _text([(*row, _check(row)) for row in rows])


def _check(row: Sequence[str]) -> str:
    return f"{zlib.crc32(json.dumps(list(row)).encode()):08x}"


def _text(rows: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
