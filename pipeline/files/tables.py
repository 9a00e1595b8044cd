"""Tables as spreadsheets and scripts write them: which sign separates the cells, which bytes mean which letters."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.files.texts import decoded, has_mark

SEPARATORS = ",;\t|"
_WORDS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
# What spreadsheets save where UTF-8 is not asked for: Western, Japanese, Chinese, Korean, Cyrillic, Central European, old Mac
ENCODINGS = ("cp1252", "cp932", "gb18030", "big5", "cp949", "cp1251", "cp1250", "mac_roman")
_LOOKED_AT = 50  # lines that say which sign separates


@dataclass(frozen=True)
class Sheet:
    """A table's first line, its rows that are not empty with their lines' numbers, and how it was understood."""

    header: list[str]
    rows: list[tuple[int, list[str]]]
    separator: str
    encoding: str

    @property
    def understood(self) -> str:
        return f"separated by {_WORDS[self.separator]}s, {self.encoding.upper()}"


def plain_name(column: str) -> str:
    """A column's name as names are compared: without blanks around it, in small letters."""
    return column.strip().lower()


def read_sheet(
    file: Path,
    *,
    known: Callable[[str], bool],
    encoding: str = "",
    exists: Callable[[list[str], list[list[str]]], int] | None = None,
) -> Sheet:
    """known: whether a column's plain name is one that is looked for, which tells separators apart.

    encoding: '' = UTF-8, or what the file's mark says; else the one of `ENCODINGS` in which most paths lead to files, as
    `exists(header, rows)` counts them. Raises UsageError where that does not decide, and for a table that is damaged.
    """
    data = file.read_bytes()
    if encoding:
        try:
            return _parsed(file, data.decode(encoding), known, encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise UsageError(
                f"{file.name} is not {encoding} text ({error}); leave encoding out, or name another"
            ) from error
    for mark, sample in ((b"\xff\xfe", data[1:400:2]), (b"\xfe\xff", data[:400:2])):
        if not has_mark(data) and sample.count(0) > len(sample) / 2:  # every second byte: UTF-16 without its mark
            data = mark + data
    try:
        return _parsed(file, decoded(data), known, "utf-8")
    except UnicodeDecodeError as error:
        return _of_other_encoding(file, data, known, exists, error)


def _of_other_encoding(
    file: Path,
    data: bytes,
    known: Callable[[str], bool],
    exists: Callable[[list[str], list[list[str]]], int] | None,
    error: UnicodeDecodeError,
) -> Sheet:
    sheets: dict[str, Sheet] = {}  # by their text: encodings that agree are one reading
    for name in ENCODINGS:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        sheets.setdefault(text, _parsed(file, text, known, name))
    counts = {text: exists(sheet.header, _odd_rows(sheet)) if exists else 0 for text, sheet in sheets.items()}
    best = [text for text, count in counts.items() if count and count == max(counts.values())]
    if len(best) == 1:
        return sheets[best[0]]
    readings = [f"{_first_odd(sheet)!r} ({sheet.encoding})" for sheet in sheets.values()][:4]
    raise UsageError(
        f"{file.name} is not UTF-8 text ({error.reason}) and could be several others: {' or '.join(readings)}; "
        "save it as CSV UTF-8, or say which: encoding=cp1252"
    )


def _odd_rows(sheet: Sheet) -> list[list[str]]:
    """Those that read differently in another encoding."""
    return [cells for _, cells in sheet.rows if not "".join(cells).isascii()]


def _first_odd(sheet: Sheet) -> str:
    cells = (cell for row in [sheet.header, *(cells for _, cells in sheet.rows)] for cell in row)
    return next((cell for cell in cells if not cell.isascii()), "")


def _parsed(file: Path, text: str, known: Callable[[str], bool], encoding: str) -> Sheet:
    lines = text.splitlines(keepends=True)
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:  # Excel's own first line
        separator = lines[0][4]
        if separator in SEPARATORS:
            return _split(file, "".join(lines[1:]), separator, encoding, above=1)
    separator = _separator(lines[:_LOOKED_AT], known, prefers="\t" if file.suffix.lower() == ".tsv" else ",")
    return _split(file, text, separator, encoding)


def _separator(lines: Sequence[str], known: Callable[[str], bool], *, prefers: str) -> str:
    """The sign that gives the most known columns, then the most rows as wide as the first, then the most columns."""

    def worth(separator: str) -> tuple[int, float, int, bool]:
        try:
            rows = [row for row in csv.reader(lines, delimiter=separator) if any(cell.strip() for cell in row)]
        except csv.Error:
            return 0, 0, 0, False
        if not rows or len(rows[0]) == 1:
            return int(bool(rows) and known(plain_name(rows[0][0]))), 0, 0, separator == prefers
        alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        return sum(known(plain_name(cell)) for cell in rows[0]), alike, len(rows[0]), separator == prefers

    return max(SEPARATORS, key=worth)


def _split(file: Path, text: str, separator: str, encoding: str, *, above: int = 0) -> Sheet:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue  # a spreadsheet's empty last rows
            if not header:
                header = [cell.strip() for cell in cells]
                continue
            rows.append((reader.line_num + above, cells))
    except csv.Error as error:
        raise UsageError(
            f"{file.name} cannot be read as a table: line {reader.line_num + above}: {error}; a quotation mark may be "
            "missing there; save it as CSV UTF-8"
        ) from error
    while (
        header
        and not header[-1]
        and all(len(cells) < len(header) or not cells[len(header) - 1].strip() for _, cells in rows)
    ):
        header.pop()  # a column that never held anything
    for line, cells in rows:
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) > len(header):
            raise UsageError(
                f"{file.name} has more cells than its first line names in line {line} ({len(cells)}, not {len(header)}); name "
                "every column there, or put text that has the separator in it into quotation marks"
            )
    return Sheet(header, rows, separator, encoding)


def cell_text(value: Any) -> str:
    """A value of a table or of JSON as one text: lists with `; ` between their elements, true and false in small letters."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "tolist"):  # NumPy's
        value = value.tolist()
    if isinstance(value, list | tuple | set):
        return "; ".join(text.replace(";", ",") for one in value if (text := cell_text(one)))
    if isinstance(value, dict):
        return "; ".join(f"{key}={text}" for key, one in value.items() if (text := cell_text(one)))
    return "" if value != value else str(value)
