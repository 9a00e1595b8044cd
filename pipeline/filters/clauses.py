"""A filter as it is meant: clauses that all must hold, any of which may be a choice between filters.

`not` is no part of it: it goes into the clauses, each of which knows whether it is turned around.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline import readings
from pipeline.errors import UsageError
from pipeline.schema import spellings

SIGNS = (">=", "<=", "!=", "!~", "=", "~", "<", ">")
ORDERED = ("<", "<=", ">", ">=")
EXACT = "=="  # of clauses that nobody types: one of the values, as text alone
_TO_ESCAPE = re.compile(r"\s(?=(?:and|or)(?:\s.*[=~<>]|\s*\Z)|\s*\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`; an end that is `open` does not belong to it."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)


@dataclass(frozen=True)
class Clause:
    """What one field must be.

    operator: `=`: one of `values`, or in one of them that is a range `a..b` or a date; `~`: contains one of them, in
    capitals or not; `<` `<=` `>` `>=`: a number or a date, compared with the one value. With `negate` everything else.
    of_metadata: the field is metadata, though a column has its name.
    """

    field: str
    values: tuple[str, ...]
    negate: bool = False
    operator: str = "="
    of_metadata: bool = False

    def __post_init__(self) -> None:
        if not self.values or (self.operator == "~" and not all(self.values)):
            raise UsageError(
                f"filter {self.field!r} has no value to compare with; write {self.field}{self.operator}value"
            )
        if self.operator in ORDERED:
            if len(self.values) > 1:
                raise UsageError(
                    f"{self.field}{self.operator} takes one value, not {','.join(self.values)}; a number has a point and no "
                    f"comma, and several of them are {self.field}={','.join(self.values)}"
                )
            if not (self.numbers or self.dates):
                raise UsageError(
                    f"{self.values[0]!r} is neither a number nor a date to compare {self.field} with; write 12.5, 2024, "
                    "2024-05 or 2024-05-03"
                )

    @property
    def spelt(self) -> tuple[str, ...]:
        """The values in each Unicode form that a row may hold them in."""
        forms = dict.fromkeys(form for value in self.values for form in spellings(value))
        return (*self.values, *(form for form in forms if form not in self.values))

    @property
    def numbers(self) -> list[Interval]:
        """Where a number lies that the clause means; of plain `=`, which compares text, only in ranges."""
        if self.operator in ORDERED:
            bound = readings.number(self.values[0])
            return [] if bound is None else [_beyond(self.operator, bound, bound)]
        return [made for low, high in self._ranges() if (made := self._of_numbers(low, high))]

    @property
    def dates(self) -> list[Interval]:
        """Where the beginning of a date lies that the clause means, in seconds as readings.date counts them."""
        if self.operator in ORDERED:
            span = readings.date(self.values[0])
            return [_beyond(self.operator, span[0], span[1] - 1)] if span else []
        if self.operator != "=":
            return []
        plain = [span for value in self.values if (span := readings.date(value))]
        ranges = [made for low, high in self._ranges() if (made := _of_dates(low, high))]
        return [Interval(first, after - 1) for first, after in plain] + ranges

    def _ranges(self) -> list[tuple[str, str]]:
        parted = [value.partition("..") for value in self.values if ".." in value] if self.operator == "=" else []
        return [(low.strip(), high.strip()) for low, _, high in parted if low.strip() or high.strip()]

    def _of_numbers(self, low: str, high: str) -> Interval | None:
        ends = readings.number(low), readings.number(high)
        if (low and ends[0] is None) or (high and ends[1] is None):
            return None
        if low and high and ends[0] > ends[1]:  # type: ignore[operator]
            raise UsageError(f"{self.field}={low}..{high} holds nothing: write the lower end first, {high}..{low}")
        return Interval(-math.inf if ends[0] is None else ends[0], math.inf if ends[1] is None else ends[1])

    def __str__(self) -> str:
        return self.written()

    def written(self, *, grouped: bool = False) -> str:
        """As it is typed. grouped: inside a group, where a bracket ends it."""
        sign = (
            {"=": "!=", EXACT: "!=", "~": "!~"}.get(self.operator, "")
            if self.negate
            else self.operator[-1:]
            if self.operator == EXACT
            else self.operator
        )
        values = ",".join(escape(value, grouped=grouped) for value in self.values)
        return f"{self.field}{sign}{values}" if sign else f"not {self.field}{self.operator}{values}"


def _beyond(operator: str, first: float, last: float) -> Interval:
    """What is `operator` than a value that reaches from first to last."""
    if operator == "<":
        return Interval(high=first, open_high=True)
    if operator == "<=":
        return Interval(high=last)
    return Interval(low=last, open_low=True) if operator == ">" else Interval(low=first)


def _of_dates(low: str, high: str) -> Interval | None:
    ends = readings.date(low), readings.date(high)
    if (low and ends[0] is None) or (high and ends[1] is None):
        return None
    made = Interval(ends[0][0] if ends[0] else -math.inf, ends[1][1] - 1 if ends[1] else math.inf)
    if made.low > made.high:
        raise UsageError(f"{low}..{high} holds nothing: write the earlier date first, {high}..{low}")
    return made


@dataclass(frozen=True)
class Either:
    """At least one of the filters holds; without filters nothing does."""

    filters: tuple[Filter, ...]

    def __str__(self) -> str:
        return f"({' or '.join(one.written(grouped=True) for one in self.filters)})"


@dataclass(frozen=True)
class Filter:
    """All clauses must hold; no clauses let everything through."""

    clauses: tuple[Clause | Either, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)

    def __str__(self) -> str:
        return self.written()

    def written(self, *, grouped: bool = False) -> str:
        return " and ".join(
            one.written(grouped=grouped) if isinstance(one, Clause) else str(one) for one in self.clauses
        )

    def leaves(self) -> list[Clause]:
        """Every clause, those of choices too, in the order they were written."""
        found: list[Clause] = []
        for one in self.clauses:
            found += [one] if isinstance(one, Clause) else [leaf for part in one.filters for leaf in part.leaves()]
        return found

    def replaced(self, change: Callable[[Clause], Clause]) -> Filter:
        """With another clause in place of each."""
        return Filter(
            tuple(
                change(one) if isinstance(one, Clause) else Either(tuple(part.replaced(change) for part in one.filters))
                for one in self.clauses
            )
        )

    def turned(self) -> Filter:
        """What lets through all that this does not."""
        turned = tuple(
            Filter((replace(one, negate=not one.negate),))
            if isinstance(one, Clause)
            else Filter(tuple(clause for part in one.filters for clause in part.turned().clauses))
            for one in self.clauses
        )
        return turned[0] if len(turned) == 1 else Filter((Either(turned),))


def escape(value: str, *, grouped: bool = False) -> str:
    """A value as it is written in a clause."""
    written = _TO_ESCAPE.sub(r"\\\g<0>", value.replace("\\", "\\\\").replace(",", "\\,"))
    return re.sub(r"([()])", r"\\\1", written) if grouped else written
