"""Pictures in the order of a fact about them: hits, which likeness chose, or all that pass a filter."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import filters, readings
from pipeline.errors import UsageError, listed
from pipeline.filters.clauses import Clause, Filter
from pipeline.records import SearchHit
from pipeline.search.result import SearchResult

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[int, float, str]


def check(by: str, metadata_keys: Collection[str]) -> None:
    """UsageError unless `by` is a field of this gallery's rows, with a minus before it for the last first."""
    field, known = by.removeprefix("-"), (*filters.FIELDS, *metadata_keys)
    if by and field not in known and by not in known:
        raise UsageError(f"no field {field!r} to sort by; this gallery has {listed(known)}")


def in_order(result: SearchResult, by: str) -> SearchResult:
    """Numbers and dates by what they say, other text by its letters, numbers first; hits without the fact come last.

    by: a field, `-field` for the last first; '' = as it is. Equal ones stay in the order of likeness.
    """
    if not by or not result.hits:
        return result
    field, last_first = _parted(by, result.hits[0].metadata)
    order = _order([value_of(hit, field) for hit in result.hits], last_first)

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


def passing(table: pd.DataFrame, where: Filter, by: str, *, keys: Collection[str]) -> list[int]:
    """Places in a gallery's table of the rows that pass, in the order of `by`, else of their ingest.

    where: settled by gallery.asked. keys: of the gallery's metadata. UsageError for a field that there is not.
    """
    import numpy as np

    check(by, keys)
    rows = np.flatnonzero(filters.mask(where, table).to_numpy()).tolist()
    if not by:
        return rows
    field, last_first = _parted(by, keys)
    clause = Clause(field, ("",), of_metadata=field in keys and field not in filters.COLUMNS)
    values = filters.value_of(clause, table)
    return [rows[i] for i in _order([str(values[row]) for row in rows], last_first)]


def _parted(by: str, keys: Collection[str]) -> tuple[str, bool]:
    """The field, and whether its last come first."""
    last_first = by.startswith("-") and by not in keys
    return (by[1:] if last_first else by), last_first


def _order(values: Sequence[str], last_first: bool) -> list[int]:
    """Numbers, then dates, then other text, each by what it says; equal ones as they come, and those without a value last."""
    keys = [_key(value) for value in values]
    there = sorted((i for i, key in enumerate(keys) if key), key=lambda i: keys[i] or (), reverse=last_first)
    if last_first:  # sorted in reverse keeps equal ones in their order
        there.sort(key=lambda i: (keys[i] or (0,))[0])
    return [*there, *(i for i, key in enumerate(keys) if not key)]


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
