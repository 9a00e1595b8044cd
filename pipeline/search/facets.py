"""What a gallery's pictures can be filtered by: ranges of numbers and dates, and values with how many pictures pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline import filters, readings
from pipeline.filters.clauses import Clause, Filter
from pipeline.kinds.tags import SHOWS_KINDS

if TYPE_CHECKING:
    import pandas as pd

READ = 0.9  # of the texts of a field that read as numbers or dates: it is one of them then
FEW = 8  # values up to which a field of numbers is a choice
MAX_VALUES = 200  # of a choice; a field with more is typed
Kind = Literal["number", "date", "choice"]


@dataclass(frozen=True)
class Field:
    """kind: of a number and a date `low` and `high`, in seconds as readings.date counts them. whole: all are whole."""

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    whole: bool = True
    unread: int = 0  # pictures whose text is neither empty nor what the kind is


@dataclass(frozen=True)
class Facet:
    """A field under a filter. passing: pictures that pass and have a value of it. counts: of a choice, most first."""

    field: Field
    passing: int
    counts: Mapping[str, int] = made_by(default_factory=dict)


def fields(table: pd.DataFrame, keys: Sequence[str]) -> list[Field]:
    """Those of a gallery's table that can be filtered by a widget; costs a look at every text, so keep it."""
    names = ["label", *keys, "split", filters.FOLDER, filters.ORIENTATION, *filters.SIZES]
    found = (_field(name, values_of(name, table, keys)) for name in dict.fromkeys(names) if name != SHOWS_KINDS)
    return [one for one in found if one is not None]


def values_of(name: str, table: pd.DataFrame, keys: Sequence[str]) -> list[str] | list[int]:
    of_metadata = name in keys and name not in filters.COLUMNS
    return filters.value_of(Clause(name, ("",), of_metadata=of_metadata), table)


def _field(name: str, values: list[str] | list[int]) -> Field | None:
    counts = Counter(map(str, values))
    counts.pop("", None)
    total = counts.total()
    numbers = {text: one for text in counts if (one := readings.number(text)) is not None}
    dates = {text: span[0] for text in counts if (span := readings.date(text))}
    for kind, read in (("number", numbers), ("date", dates)):
        known = sum(counts[text] for text in read)
        if total and known >= READ * total and len(set(read.values())) > (FEW if kind == "number" else 1):
            low, high = float(min(read.values())), float(max(read.values()))
            whole = all(float(value).is_integer() for value in read.values())
            return Field(name, kind, low, high, whole, total - known)  # type: ignore[arg-type]
    return Field(name, "choice") if 1 < len(counts) <= MAX_VALUES else None


def facets(
    table: pd.DataFrame,
    known: Sequence[Field],
    where: Filter,
    *,
    keys: Sequence[str],
    settled: Callable[[Filter], Filter],
) -> list[Facet]:
    """Of each field, counted among the pictures that pass all of `where` but what it says of that field alone.

    So another value of a field that is filtered by shows how many it would bring. settled: gallery.asked's.
    """
    whole = filters.mask(settled(where), table).to_numpy()
    made = []
    for one in known:
        rest = Filter(
            tuple(part for part in where.clauses if not (isinstance(part, Clause) and part.field == one.name))
        )
        keep = whole if rest == where else filters.mask(settled(rest), table).to_numpy()
        values = values_of(one.name, table, keys)
        passing = Counter(str(values[i]) for i in np.flatnonzero(keep))
        empty = passing.pop("", 0)
        counts = dict(passing.most_common()) if one.kind == "choice" else {}
        made.append(Facet(one, int(keep.sum()) - empty, counts))
    return made
