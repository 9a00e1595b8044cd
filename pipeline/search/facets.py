"""What a gallery's pictures can be filtered by: ranges of numbers and dates, and values with how many pictures pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline import filters, readings
from pipeline.filters import kinds
from pipeline.filters.clauses import Clause, Filter
from pipeline.kinds.tags import SHOWS_KINDS

if TYPE_CHECKING:
    import pandas as pd

FEW = 8  # values up to which a field of numbers is a choice
MAX_VALUES = 200  # of a choice; a field with more is typed
MAX_ELEMENTS = 20_000  # of lists, of which the most frequent are shown
Kind = Literal["number", "date", "choice"]


@dataclass(frozen=True)
class Field:
    """kind: of a number and a date `low` and `high`, in seconds as readings.date counts them. whole: all are whole."""

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    whole: bool = True
    of: str = ""  # its kind, where somebody said it
    unread: int = 0  # pictures whose text is neither empty nor what the kind is


@dataclass(frozen=True)
class Facet:
    """A field under a filter. passing: pictures that pass and have a value of it. counts: of a choice, most first."""

    field: Field
    passing: int
    counts: Mapping[str, int] = made_by(default_factory=dict)


def fields(table: pd.DataFrame, keys: Sequence[str], known: Mapping[str, str] = MappingProxyType({})) -> list[Field]:
    """Those of a gallery's table that can be filtered by a widget; costs a look at every text, so keep it.

    known: the kinds of keys of which somebody said them.
    """
    names = ["label", *keys, "split", filters.FOLDER, filters.ORIENTATION, *filters.SIZES]
    found = (
        _field(name, values_of(name, table, keys), known.get(name, "") if name in keys else "")
        for name in dict.fromkeys(names)
        if name != SHOWS_KINDS
    )
    return [one for one in found if one is not None]


def values_of(name: str, table: pd.DataFrame, keys: Sequence[str]) -> list[str] | list[int]:
    of_metadata = name in keys and name not in filters.COLUMNS
    return filters.value_of(Clause(name, ("",), of_metadata=of_metadata), table)


def _field(name: str, values: list[str] | list[int], of: str) -> Field | None:
    counts = Counter(map(str, values))
    counts.pop("", None)
    total = counts.total()
    numbers = {text: one for text in counts if (one := readings.number(text)) is not None}
    dates = {text: span[0] for text in counts if (span := readings.date(text))}
    for kind, read in (("number", numbers), ("date", dates)):
        known = sum(counts[text] for text in read)
        enough = total and known >= kinds.READ * total and len(set(read.values())) > (FEW if kind == "number" else 1)
        if len(set(read.values())) > 1 if of == kind else enough and not of:
            low, high = float(min(read.values())), float(max(read.values()))
            whole = all(float(value).is_integer() for value in read.values())
            return Field(name, kind, low, high, whole, unread=total - known)  # type: ignore[arg-type]
    if of == "place":
        return None
    shown = {part for text in counts for part in kinds.parts(of, text)}
    most = MAX_ELEMENTS if of.startswith(kinds.LIST) else MAX_VALUES
    return Field(name, "choice", of=of) if 1 < len(shown) <= most else None


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
        texts = [text for i in np.flatnonzero(keep) if (text := str(values[i]))]
        counts = (
            Counter(part for text in texts for part in kinds.parts(one.of, text)) if one.kind == "choice" else Counter()
        )
        made.append(Facet(one, len(texts), dict(counts.most_common())))
    return made
