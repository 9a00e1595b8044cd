"""The one filter grammar: `field=value`, `field!=value`, `field=a,b` (any of), repeated = AND.

A `Filter` compiles to Milvus text and to a pandas mask; a test holds the two equal on every store.
A comma inside a value is written `\\,`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import schema
from pipeline.errors import UsageError
from pipeline.records import ImageRecord
from pipeline.schema import spellings

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = tuple(column.name for column in schema.COLUMNS if column.filterable)
_CLAUSE = re.compile(r"\s*(?P<field>[^=!]+?)\s*(?P<operator>!=|=)(?P<values>.*)", re.DOTALL)
_VALUE = re.compile(r",((?:[^,\\]|\\.|\\$)*)", re.DOTALL)  # a comma, then text up to the next one not escaped


@dataclass(frozen=True)
class Clause:
    """field is one of `values`; with `negate`, is none of them."""

    field: str
    values: tuple[str, ...]
    negate: bool = False

    def __post_init__(self) -> None:
        if not self.values:
            raise UsageError(f"filter {self.field!r} has no value to compare with; write {self.field}=value")

    @property
    def spelt(self) -> tuple[str, ...]:
        """The values in each Unicode form that a row may hold them in."""
        forms = dict.fromkeys(form for value in self.values for form in spellings(value))
        return (*self.values, *(form for form in forms if form not in self.values))


@dataclass(frozen=True)
class Filter:
    """All clauses must hold; no clauses let everything through."""

    clauses: tuple[Clause, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)

    def __str__(self) -> str:
        return " ".join(f"{c.field}{'!=' if c.negate else '='}{','.join(map(escape, c.values))}" for c in self.clauses)


def escape(value: str) -> str:
    """A value as it is written in a clause."""
    return value.replace("\\", "\\\\").replace(",", "\\,")


def parse(texts: Iterable[str]) -> Filter:
    """Clauses as typed on the command line. UsageError names the clause that cannot be read."""
    clauses = []
    for text in texts:
        match = _CLAUSE.fullmatch(text)
        if match is None:
            raise UsageError(f"cannot read filter {text!r}; write field=value, field!=value or field=a,b")
        values = tuple(re.sub(r"\\([,\\])", r"\1", part) for part in _VALUE.findall("," + match["values"]))
        clauses.append(Clause(match["field"], values, negate=match["operator"] == "!="))
    return Filter(tuple(clauses))


def check(where: Filter, metadata_keys: Collection[str]) -> None:
    """UsageError when a clause names a field that neither the rows nor their metadata have."""
    for clause in where.clauses:
        if clause.field not in COLUMNS and clause.field not in metadata_keys:
            fields = ", ".join([*COLUMNS, *sorted(metadata_keys)])
            raise UsageError(f"no field {clause.field!r} to filter by; this gallery has {fields}")


def to_milvus(where: Filter) -> str:
    """Milvus expression: an OR chain of `==` or an AND chain of `!=` for each clause (never `in` on JSON)."""
    return " and ".join(_clause_to_milvus(clause) for clause in where.clauses)


def _clause_to_milvus(clause: Clause) -> str:
    column = clause.field in COLUMNS
    field = clause.field if column else f"metadata[{_quote(clause.field)}]"
    operator, joiner = ("!=", " and ") if clause.negate else ("==", " or ")
    text = _joined([f"{field} {operator} {_quote(value)}" for value in clause.spelt], joiner)
    if column:
        return text
    # A key that a row lacks reads as ''. A server finds every `!=` on it true, Lite finds it false.
    if ("" in clause.values) != clause.negate:
        return f"((not exists {field}) or {text})"
    return f"((exists {field}) and {text})" if clause.negate else text


def _joined(texts: list[str], joiner: str) -> str:
    """In pairs of pairs: a server reads a flat chain as a tree as deep as it is long, and stops at a depth of 100."""
    if len(texts) == 1:
        return f"({texts[0]})"
    middle = len(texts) // 2
    return f"({_joined(texts[:middle], joiner)}{joiner}{_joined(texts[middle:], joiner)})"


def mask(where: Filter, table: pd.DataFrame) -> pd.Series:
    """Boolean row mask over records.Rows.table; a missing metadata key reads as ''."""
    import numpy as np
    import pandas as pd

    keep = np.ones(len(table), dtype=bool)
    for clause in where.clauses:
        if clause.field in COLUMNS:
            texts = table[clause.field]
        else:
            texts = (row.get(clause.field, "") for row in table["metadata"])
        # not `isin`: pandas holds text as UTF-8 and fails on a file name that is not
        wanted = set(clause.spelt)
        keep &= np.fromiter(((text in wanted) != clause.negate for text in texts), dtype=bool, count=len(table))
    return pd.Series(keep, index=table.index)


def matching(where: Filter, records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """Those that pass, in order. UsageError when a clause names a field that no record has."""
    import pandas as pd

    check(where, {key for record in records for key in record.metadata})
    columns = {name: [getattr(record, name, "") for record in records] for name in (*COLUMNS, "metadata")}
    keep = mask(where, pd.DataFrame(columns, dtype=object))
    return [record for record, kept in zip(records, keep, strict=True) if kept]


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
