"""The hits of a search in the order of a fact about them: which are there is still decided by likeness."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import replace

from pipeline import filters, readings
from pipeline.errors import UsageError
from pipeline.records import SearchHit
from pipeline.search.result import SearchResult

Key = tuple[int, float, str]


def check(by: str, metadata_keys: Collection[str]) -> None:
    """UsageError unless `by` is a field of this gallery's rows, with a minus before it for the last first."""
    field, known = by.removeprefix("-"), (*filters.FIELDS, *metadata_keys)
    if by and field not in known and by not in known:
        raise UsageError(f"no field {field!r} to sort by; this gallery has {', '.join(known)}")


def in_order(result: SearchResult, by: str) -> SearchResult:
    """Numbers and dates by what they say, other text by its letters, numbers first; hits without the fact come last.

    by: a field, `-field` for the last first; '' = as it is. Equal ones stay in the order of likeness.
    """
    if not by or not result.hits:
        return result
    last_first = by.startswith("-") and by not in result.hits[0].metadata
    field = by[1:] if last_first else by
    keys = [_key(value_of(hit, field)) for hit in result.hits]
    there = sorted((i for i, key in enumerate(keys) if key), key=lambda i: keys[i] or (), reverse=last_first)
    if last_first:  # sorted in reverse keeps equal ones in their order
        there.sort(key=lambda i: (keys[i] or (0,))[0])
    order = [*there, *(i for i, key in enumerate(keys) if not key)]

    def ordered(per_hit: list) -> list:
        return [per_hit[i] for i in order] if per_hit else per_hit

    return replace(
        result,
        hits=ordered(result.hits),
        percentiles=ordered(result.percentiles),
        confidences=ordered(result.confidences),
        bands=ordered(result.bands),
        alike=ordered(result.alike),
    )


def value_of(hit: SearchHit, field: str) -> str:
    """The text of a field of a hit; '' where it has none."""
    if field in hit.metadata and field not in filters.COLUMNS:
        return hit.metadata[field]
    if field == filters.FOLDER:
        return hit.path.rpartition("/")[0]
    if field == filters.ORIENTATION:
        return "square" if hit.width == hit.height else "landscape" if hit.width > hit.height else "portrait"
    return str(getattr(hit, field, "") or "")


def group_of(hit: SearchHit, field: str) -> str:
    """Under which heading a hit stands: its value, of a date with a day the month; '' where it has none."""
    text = value_of(hit, field)
    span = readings.date(text) if len(text) > 7 else None
    return time.strftime("%Y-%m", time.gmtime(span[0])) if span else text


def _key(text: str) -> Key | None:
    if not text:
        return None
    number, date = readings.number(text), readings.date(text)
    if number is not None and not (date and len(text) != 4):
        return 0, number, text
    if date:
        return 1, float(date[0]), text
    return 2, math.inf, text.casefold()
