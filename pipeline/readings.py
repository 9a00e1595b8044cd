"""What a text of metadata says when it is read as a number, a date, yes or no, a list or a place. Rows keep the text.

Collections hold the numbers and dates: whoever changes how these are read adds 1 to schema.VERSION.
"""

from __future__ import annotations

import calendar
import json
import math
import re
from functools import lru_cache

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:[.,]\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+")

_MONTHS = {
    name.lower(): n for names in (calendar.month_abbr, calendar.month_name) for n, name in enumerate(names) if n
} | {"sept": 9}
_TIME = (
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?\s*(?:Z|UTC|[+-]\d\d(?::?\d\d)?)?)?"
)
_YEAR = r"(?P<year>[12]\d{3})"
_DATES = [
    re.compile(form + _TIME, re.IGNORECASE)
    for form in (
        _YEAR + r"(?P<sign>[-/:.])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})",
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\." + _YEAR,
        r"(?P<one>\d{1,2})(?P<sign>[-/])(?P<other>\d{1,2})(?P=sign)" + _YEAR,
        r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\.?[ -](?P<name>[a-z]+)\.?,?[ -]" + _YEAR,
        r"(?P<name>[a-z]+)\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? " + _YEAR,
    )
] + [
    re.compile(form, re.IGNORECASE)
    for form in (_YEAR, _YEAR + r"[-/:](?P<month>\d{1,2})", r"(?P<name>[a-z]+)\.? " + _YEAR)
]
_UNITS = {"second": 1, "minute": 60, "day": 86_400}


@lru_cache(maxsize=1 << 16)
def number(text: str) -> float | None:
    """12, -3.5, 1e3; 1,234.5, 1.234,5 and 1 234,5 with their thousands apart; 0,75 with a decimal comma. None: not a finite number.

    A comma before exactly three digits parts thousands.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        plain = text
    elif _GROUPED.fullmatch(text):
        spaced = re.search(r"\s", text)
        plain = re.sub(r"\s", "", text).replace(",", ".") if spaced else text.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(text):
        plain = text.replace(".", "").replace(",", ".")
    else:
        return None
    value = float(plain)
    return value + 0.0 if math.isfinite(value) else None  # + 0.0: never a negative zero


@lru_cache(maxsize=1 << 16)
def date(text: str) -> tuple[int, int] | None:
    """The time that a text names, from and up to but not including: 2024 is a year long, 2024-05-03 14:07 a minute.

    In seconds since 1970 by the clock of the place: a zone at the end is passed over, so that a picture taken on an
    evening in May was taken in May everywhere. Read are 2024, 2024-05, 2024-05-03 (with / : or . too), 03.05.2024,
    3 May 2024, May 3, 2024, and 3/5/2024 only where one of the two is over 12 or both are equal. None: no date.
    """
    text = " ".join(text.split())
    for form in _DATES:
        if match := form.fullmatch(text):
            return _span({name: value for name, value in match.groupdict().items() if value})
    return None


def _span(given: dict[str, str]) -> tuple[int, int] | None:
    year = int(given["year"])
    if "name" in given:
        month = _MONTHS.get(given["name"].lower(), 0)
        day = int(given.get("day", 0))
    elif "one" in given:
        one, other = int(given["one"]), int(given["other"])
        if one <= 12 and other <= 12 and one != other:
            return None  # the third of May or the fifth of March
        day, month = max(one, other), min(one, other)
    else:
        month, day = int(given.get("month", 0)), int(given.get("day", 0))
    named = "month" in given or "name" in given or "one" in given
    if named and not (1 <= month <= 12 and 0 <= day <= calendar.monthrange(year, month)[1]):
        return None
    if not day and ("day" in given or "one" in given):
        return None
    hour, minute, second = (int(given.get(name, 0)) for name in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 60:
        return None
    start = calendar.timegm((year, month or 1, day or 1, hour, minute, min(second, 59)))
    if "hour" in given:
        return start, start + _UNITS["second" if "second" in given else "minute"]
    if day:
        return start, start + _UNITS["day"]
    after = (year, month + 1, 1) if 0 < month < 12 else (year + 1, 1, 1)
    return start, calendar.timegm((*after, 0, 0, 0))


_TRUE = {"true", "yes", "y", "t", "on", "1", "ja", "oui", "sí", "si", "x", "✓", "✔"}
_FALSE = {"false", "no", "n", "f", "off", "0", "nein", "non", "-", "✗", "✘"}
_HALF = r"([+-]?\d{1,3}(?:\.\d+)?)"
_PAIR = re.compile(rf"{_HALF}(?:\s*[,;/]\s*|\s+){_HALF}")
_ANGLE = r"(\d{1,3})(?:[°,:\s]\s*(\d{1,2}(?:\.\d+)?))?(?:['′:,\s]\s*(\d{1,2}(?:\.\d+)?))?\s*[\"″'′°]*\s*"
_SIDES = re.compile(rf"{_ANGLE}([NS])[,;/\s]*{_ANGLE}([EWO])", re.IGNORECASE)
_DEGREES = re.compile(rf"{_HALF}\s*°?\s*([NS])[,;/\s]*{_HALF}\s*°?\s*([EW])", re.IGNORECASE)
LIST_SIGNS = ";|,"


def truth(text: str) -> bool | None:
    """true or false, yes or no, 1 or 0, and what spreadsheets and a few languages write for them; None for anything else."""
    plain = text.strip().lower()
    return True if plain in _TRUE else False if plain in _FALSE else None


def elements(text: str, sign: str) -> list[str]:
    """The elements of a list, without blanks around them or empty ones: parted by `sign`, one of LIST_SIGNS, or a JSON list."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, list):
            return [one for one in (str(part).strip() for part in found if part is not None) if one]
    return [one for part in text.split(sign) if (one := part.strip())]


@lru_cache(maxsize=1 << 16)
def place(text: str) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees north and east: 48.1372, 11.5756; 48.1372 N 11.5756 E; 48°08'14"N 11°34'32"E. None: no place."""
    text = " ".join(text.split())
    if match := _PAIR.fullmatch(text):
        north, east = float(match[1]), float(match[2])
    elif match := _DEGREES.fullmatch(text):
        north = float(match[1]) * (-1 if match[2].upper() == "S" else 1)
        east = float(match[3]) * (-1 if match[4].upper() == "W" else 1)
    elif match := _SIDES.fullmatch(text):
        north, east = (
            sum(float(part or 0) / 60**power for power, part in enumerate(match.group(first, first + 1, first + 2)))
            for first in (1, 5)
        )
        north *= -1 if match[4].upper() == "S" else 1
        east *= -1 if match[8].upper() == "W" else 1
    else:
        return None
    return (north, east) if abs(north) <= 90 and abs(east) <= 180 else None
