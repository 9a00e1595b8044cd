"""Which row of a table is about which picture, and what its columns are; nothing is changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline import filters, readings
from pipeline.errors import UsageError, display_name, listed
from pipeline.filters import kinds as filter_kinds
from pipeline.gallery import asked
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.naming import Names
from pipeline.ingest.facts_files import FactsTable

if TYPE_CHECKING:
    import pandas as pd

PLACE = "place"
LOOKED_AT = 500  # rows that say which column names the pictures
_NORTH, _EAST = (
    ("lat", "latitude", "gpslatitude", "breite"),
    ("lon", "lng", "long", "longitude", "gpslongitude", "länge"),
)
_ONE_COMMA = re.compile(r"([+-]?\d+),(\d+)")
_THREE = re.compile(r"([+-]?\d{1,3}),(\d{3})")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3}){2,}(?:\.\d+)?|[+-]?\d{1,3}(?:,\d{3})+\.\d+")
_SLASHED = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})( .*)?")
ORDERS = ("", "dmy", "mdy")


@dataclass
class Matched:
    """values: id to column to text, empty cells left out. by: how many rows matched by id, path or file name."""

    column: str = ""  # which names the picture
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    by: Counter[str] = field(default_factory=Counter)
    unmatched: list[tuple[int, str]] = field(
        default_factory=list
    )  # (line, what it names) of rows that match no picture
    ambiguous: list[tuple[int, str]] = field(default_factory=list)  # those whose file name several pictures have
    kinds: dict[str, str] = field(default_factory=dict)  # of each column, as filters.kinds has them
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)  # cells that are not of the kind, and one of them
    notes: list[str] = field(default_factory=list)


def match(
    gallery: Gallery,
    table: FactsTable,
    *,
    columns: Sequence[str] | None = None,
    dates: str = "",
    kinds: Mapping[str, str] = MappingProxyType({}),
) -> Matched:
    """Which row of a table is about which picture, and what its columns are; nothing is changed.

    A picture is named by its id, its path below the dataset's folder or a longer one that ends so, or a file name that only
    one has, with its ending or without. columns: only these. dates: dmy or mdy, how 3/5/2024 is meant; '' = as the
    column's other dates show. kinds: of columns, in place of what they look like. Regions of a picture get what is said of it.
    """
    if dates not in ORDERS:
        raise UsageError(f"dates are dmy or mdy, not {dates!r}")
    names, cells = Names(gallery), table.cells
    found = Matched(table.column or _naming(names, cells), notes=list(table.notes))
    wanted = _wanted(cells, found, columns, kinds)
    known = {**asked.kinds_of(gallery), **{name: filter_kinds.check(kind) for name, kind in kinds.items()}}
    texts = {name: _read(cells[name].tolist(), name, known.get(name, ""), dates, found) for name in wanted}
    if PLACE not in cells.columns and (columns is None or PLACE in columns):
        _with_place(cells, texts, found)
    for i, (line, named) in enumerate(zip(table.lines, cells[found.column], strict=True)):
        picture, by = names.find(named.strip())
        if not picture:
            (found.ambiguous if by else found.unmatched).append((line, named.strip()))
            continue
        found.by[by] += 1
        said = {name: text for name, column in texts.items() if (text := column[i].strip())}
        for one in names.parts.get(picture, [picture]):
            found.values.setdefault(one, {}).update(said)
    return found


def _naming(names: Names, cells: pd.DataFrame) -> str:
    """The column of which most of the first cells name a picture. UsageError where none does."""
    hits = {
        name: sum(bool(names.find(cell.strip())[0]) for cell in cells[name].head(LOOKED_AT)) for name in cells.columns
    }
    best = max(hits, key=lambda name: hits[name], default="")
    if not best or not hits[best]:
        raise UsageError(
            f"no column names pictures of this gallery; its columns are {listed(cells.columns)}; "
            "say which one holds path, file name or id: --path COLUMN"
        )
    return best


def _wanted(cells: pd.DataFrame, found: Matched, columns: Sequence[str] | None, kinds: Mapping[str, str]) -> list[str]:
    """UsageError for a column that the table has not, or that no metadata can be called."""
    for name in (*(columns or ()), *kinds):
        if name not in cells.columns and name != PLACE:
            raise UsageError(f"the table has no column {display_name(name)!r}; its columns are {listed(cells.columns)}")
    taken = [name for name in cells.columns if name in filters.COLUMNS and name != found.column]
    if columns is not None:
        if clash := [name for name in columns if name in taken]:
            raise UsageError(
                f"{clash[0]!r} is a field that every picture has already; rename the column, such as shop_{clash[0]}"
            )
        return [name for name in columns if name != found.column and name in cells.columns]
    if taken:
        left = " and ".join(map(repr, taken))
        found.notes.append(
            f"{left} left out: every picture has a field of that name; rename the column, or use relabel"
        )
    return [name for name in cells.columns if name and name != found.column and name not in taken]


def _read(cells: list[str], name: str, kind: str, dates: str, found: Matched) -> list[str]:
    """The column's cells as its kind is read alone: of dates and numbers that mean two things, as the others show."""
    cells = _dated(cells, name, dates, found)
    if kind in ("", "number"):
        cells = _decimal(cells, name, found)
    counts = Counter(cell for cell in map(str.strip, cells) if cell)
    kind = kind or filter_kinds.infer(counts)
    found.kinds[name] = kind
    if odd := [cell for cell in counts if not filter_kinds.reads(kind, cell)]:
        found.unread[name] = sum(counts[cell] for cell in odd), odd[0]
    return cells


def _decimal(cells: list[str], name: str, found: Matched) -> list[str]:
    """1,234 as 1.234 in a column with a comma before one digit, two or more than three, or behind a 0; all else as it is."""
    split = [match for cell in cells if (match := _ONE_COMMA.fullmatch(cell.strip()))]
    telling = [match for match in split if len(match[2]) != 3 or match[1].lstrip("+-") == "0"]
    if (
        not telling
        or not any(_THREE.fullmatch(match[0]) for match in split)
        or any(_GROUPED.fullmatch(cell.strip()) for cell in cells)
    ):
        return cells
    found.notes.append(f"{name}: a comma is read as the decimal point everywhere, as in {telling[0][0]}")
    return [_THREE.sub(r"\1.\2", cell.strip()) if _THREE.fullmatch(cell.strip()) else cell for cell in cells]


def _with_place(cells: pd.DataFrame, texts: dict[str, list[str]], found: Matched) -> None:
    """A column `place` of two that hold latitude and longitude."""
    sides = [next((name for name in cells.columns if name.lower() in spelt), "") for spelt in (_NORTH, _EAST)]
    if not all(sides):
        return
    pairs = [f"{north.strip()}, {east.strip()}" for north, east in zip(cells[sides[0]], cells[sides[1]], strict=True)]
    places = [pair if readings.place(pair) else "" for pair in pairs]
    if any(places):
        texts[PLACE], found.kinds[PLACE] = places, PLACE
        found.notes.append(f"{PLACE}: of {sides[0]} and {sides[1]}")


def _dated(cells: list[str], name: str, dates: str, found: Matched) -> list[str]:
    """3/5/2024 as 2024-05-03 where the column's other dates, or the one who asks, say which number is the day."""
    slashed = [match for cell in cells if (match := _SLASHED.fullmatch(cell.strip()))]
    filled = [cell for cell in map(str.strip, cells) if cell]
    dates_there = sum(bool(_SLASHED.fullmatch(cell) or readings.date(cell)) for cell in filled) if slashed else 0
    if not slashed or dates_there < len(filled) / 2:
        return cells
    first, second = (max(int(match[place]) for match in slashed) for place in (1, 3))
    order = dates or ("dmy" if first > 12 >= second else "mdy" if second > 12 >= first else "")
    if not order:
        found.notes.append(
            f"{name}: {slashed[0][0]} can be read in two ways; say whether the day or the month comes first (--dates dmy or mdy)"
        )
        return cells
    day, month = (1, 3) if order == "dmy" else (3, 1)

    def spelt(cell: str) -> str:
        match = _SLASHED.fullmatch(cell.strip())
        if match is None:
            return cell
        text = f"{match[4]}-{int(match[month]):02d}-{int(match[day]):02d}{match[5] or ''}"
        return text if readings.date(text) else cell

    return [spelt(cell) for cell in cells]


def as_json(matched: Matched, rows: int) -> dict[str, Any]:
    """The object of `add-facts --json`. rows: of the table."""
    return {
        "rows": rows,
        "matched": matched.by.total(),
        "pictures": len(matched.values),
        "column": matched.column,
        "by": dict(matched.by),
        "kinds": matched.kinds,
        "unread": {name: {"cells": count, "such_as": one} for name, (count, one) in matched.unread.items()},
        "unmatched": [{"row": line, "name": name} for line, name in matched.unmatched],
        "ambiguous": [{"row": line, "name": name} for line, name in matched.ambiguous],
        "notes": matched.notes,
    }
