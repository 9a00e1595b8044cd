"""A clause as the values that it means, or the ids of the rows: for what no store can compare by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import filters
from pipeline.filters.clauses import EXACT, Clause, Filter

if TYPE_CHECKING:
    import pandas as pd

MAX_VALUES = 500  # that a clause is put into words with; beyond it the ids are


def holding(clause: Clause, holds: Callable[[str], bool], table: pd.DataFrame) -> Clause:
    """That the clause's field has one of the values of the table's rows that `holds`; turned around with its `negate`."""
    values = list(map(str, filters.value_of(clause, table)))
    kept = {value: holds(value) for value in dict.fromkeys(values)}
    wanted = tuple(value for value, holds_it in kept.items() if holds_it)
    if not wanted:
        return among((), clause.negate)
    if len(wanted) <= MAX_VALUES:
        return replace(clause, operator=EXACT, values=wanted)
    return among((row for row, value in zip(table["id"], values, strict=True) if kept[value]), clause.negate)


def containing(where: Filter, table: Callable[[], pd.DataFrame]) -> Filter:
    """Without `~`, which no older Milvus knows. table: of the rows it is asked of; called only when there is a `~`."""

    def without(clause: Clause) -> Clause:
        if clause.operator != "~":
            return clause
        parts = [one.casefold() for one in clause.spelt]
        return holding(clause, lambda text: any(part in text.casefold() for part in parts), table())

    return where.replaced(without)


def among(ids: Iterable[str], negate: bool = False) -> Clause:
    """That a row is one of these."""
    return Clause("id", tuple(ids) or ("",), negate=negate, operator=EXACT)
