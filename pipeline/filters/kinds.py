"""What a field of metadata is: text, number, date, boolean, list or place. It decides how its text is read; rows keep the text.

A list's kind ends with the sign between its elements: `list;` `list|` `list,`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import readings
from pipeline.errors import UsageError
from pipeline.filters.clauses import EXACT, ORDERED, Clause
from pipeline.filters.values import holding

if TYPE_CHECKING:
    import pandas as pd

LIST = "list"
KINDS = ("text", "number", "date", "boolean", LIST, "place")
READ = 0.9  # of the texts of a field that read as a kind: it is of that kind then
EARTH = 6_371.0  # km, mean radius
_NUMBER = r"([+-]?\d+(?:\.\d+)?)"
_CIRCLE = re.compile(rf"{_NUMBER}[\s/;]+{_NUMBER}(?:[\s/;]+(\d+(?:\.\d+)?)\s*(km|m|mi))?", re.IGNORECASE)
_BOX = re.compile(rf"{_NUMBER}\.\.{_NUMBER}[\s/;]+{_NUMBER}\.\.{_NUMBER}")
_LEADING = re.compile(r"\s*0\d")  # of article numbers and post codes, which nobody compares
_UNITS = {"km": 1.0, "m": 0.001, "mi": 1.609344}
NEAR = 1.0  # km around a place of which nothing else is said


def check(kind: str) -> str:
    """The kind, or UsageError. A list of which no sign is said is parted by `;`."""
    if kind == LIST:
        return LIST + readings.LIST_SIGNS[0]
    if kind in KINDS or (kind[:-1] == LIST and kind[-1] in readings.LIST_SIGNS):
        return kind
    raise UsageError(
        f"no kind {kind!r}; a column is one of {', '.join(KINDS)}, a list also list; list| or list, by its sign"
    )


def reads(kind: str, text: str) -> bool:
    """Whether a text that is not empty is what the kind says."""
    if kind == "number":
        return readings.number(text) is not None
    if kind == "date":
        return readings.date(text) is not None
    if kind == "boolean":
        return readings.truth(text) is not None
    return readings.place(text) is not None if kind == "place" else True


def infer(counts: Mapping[str, int]) -> str:
    """What a column is, from how often each text comes in it. 0 and 1 are numbers, as nothing says more; 01234 is text."""
    there = {text: count for text, count in counts.items() if text.strip()}
    total = sum(there.values())

    def share(kind: str) -> float:
        return sum(count for text, count in there.items() if reads(kind, text)) / total

    for kind in ("number", "date", "place") if total else ():
        if share(kind) >= READ:
            return "text" if kind == "number" and any(map(_LEADING.match, there)) else kind
    if {readings.truth(text) for text in there} == {True, False}:  # one of the two alone may be any mark
        return "boolean"
    for sign in readings.LIST_SIGNS:
        found = [(readings.elements(text, sign), count) for text, count in there.items()]
        several = sum(count for parted, count in found if len(parted) > 1)
        distinct = {one for parted, _ in found for one in parted}
        # a sign stands in sentences too: elements of a list are short and come again
        again = sum(len(parted) * count for parted, count in found) >= 1.5 * len(distinct)
        short = max(map(len, distinct), default=0) <= 40
        if total and several >= (0.3 if sign == "," else 0.1) * total and again and short:
            return LIST + sign
    return "text"


def parts(kind: str, text: str) -> list[str]:
    """The values that a text counts under: a list's elements, yes or no, else itself; [] for no text."""
    if kind.startswith(LIST):
        return readings.elements(text, kind[-1])
    if kind == "boolean" and (said := readings.truth(text)) is not None:
        return ["yes" if said else "no"]
    return [text] if text else []


def meant(clause: Clause, kind: str, table: Callable[[], pd.DataFrame]) -> Clause:
    """A clause about a field of this kind as one that every store compares. UsageError for what the kind cannot be asked."""
    if kind == "number" and clause.operator == "=":
        numbers = [value for value in clause.values if readings.number(value) is not None]
        return replace(clause, values=(*clause.values, *(f"{value}..{value}" for value in numbers)))
    if kind in ("number", "date"):
        return clause
    if clause.operator in ORDERED:
        raise UsageError(
            f"{clause.field} is a {kind.rstrip(readings.LIST_SIGNS)} and has no order; {_written(clause.field, kind)}"
        )
    if kind == "text":
        return replace(clause, operator=EXACT) if clause.operator == "=" else clause
    return holding(clause, _test(clause, kind), table())


def _test(clause: Clause, kind: str) -> Callable[[str], bool]:
    spelt = clause.spelt
    if kind.startswith(LIST):
        if clause.operator == "~":
            wanted = [one.casefold() for one in spelt]
            return lambda text: any(part in one.casefold() for one in parts(kind, text) for part in wanted)
        return lambda text: bool(set(spelt).intersection(found := parts(kind, text)) or ("" in spelt and not found))
    if clause.operator == "~":
        raise UsageError(f"{clause.field} is a {kind}; {_written(clause.field, kind)}")
    empty = "" in spelt
    if kind == "boolean":
        truths = {value: readings.truth(value) for value in clause.values if value}
        if None in truths.values():
            raise UsageError(f"{clause.field} is a boolean; {_written(clause.field, kind)}")
        return lambda text: readings.truth(text) in truths.values() if text else empty
    near = [_near(clause.field, value) for value in clause.values if value]
    return lambda text: (
        (spot := readings.place(text)) is not None and any(holds(*spot) for holds in near) if text else empty
    )


def _near(field: str, value: str) -> Callable[[float, float], bool]:
    """Whether a place (latitude, longitude in degrees) is in the circle or the box that a value names."""
    text = value.strip()
    if box := _BOX.fullmatch(text):
        south, north, west, east = map(float, box.groups())
        if south <= north:
            # a box that is wider than the date line allows goes on behind it
            return lambda lat, lon: (
                south <= lat <= north and (west <= lon <= east if west <= east else lon >= west or lon <= east)
            )
    if circle := _CIRCLE.fullmatch(text):
        lat0, lon0 = float(circle[1]), float(circle[2])
        radius = float(circle[3]) * _UNITS[circle[4].lower()] if circle[3] else NEAR
        if abs(lat0) <= 90 and abs(lon0) <= 180:
            return lambda lat, lon: kilometres(lat0, lon0, lat, lon) <= radius
    raise UsageError(f"{value!r} is no place; {_written(field, 'place')}")


def kilometres(lat0: float, lon0: float, lat1: float, lon1: float) -> float:
    """Along the great circle, all in degrees."""
    a, b, c, d = map(math.radians, (lat0, lon0, lat1, lon1))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * EARTH * math.asin(math.sqrt(min(1.0, half)))


def _written(field: str, kind: str) -> str:
    return "write " + {
        "boolean": f"{field}=yes or {field}=no",
        "place": f"{field}=52.52 13.40 5km, latitude, longitude and how far, or {field}=52.3..52.7 13..13.8",
        "text": f"{field}=value or {field}~part",
    }.get(kind, f"{field}=element or {field}~part")
