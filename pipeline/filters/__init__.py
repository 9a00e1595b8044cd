"""The one filter, asked of Milvus and of a pandas table: a test holds the two equal on every store.

What is typed: filter_grammar.py. What it means: clauses.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import readings, schema
from pipeline.errors import UsageError, listed
from pipeline.filters.clauses import EXACT, ORDERED, Clause, Filter, Interval
from pipeline.filters.clauses import escape as escape
from pipeline.filters.grammar import parse as parse
from pipeline.records import ImageRecord

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = tuple(column.name for column in schema.COLUMNS if column.filterable)  # also where metadata have the name
SIZES = schema.named(schema.WHOLE)
FOLDER = "folder"  # of the path: a picture is in its folder and in all that hold it
ORIENTATION = "orientation"  # of the upright picture
SHAPES = {"landscape": ">", "portrait": "<", "square": "=="}  # and how width compares with height
UNREAD = (*COLUMNS, FOLDER)  # fields of pictures that nobody has opened yet
FIELDS = (*UNREAD, *SIZES, ORIENTATION, "id")
_ALL, _NONE = 'id != ""', 'id == ""'


def check(where: Filter, metadata_keys: Collection[str], *, fields: Sequence[str] = FIELDS) -> Filter:
    """The filter as it is meant of rows with these keys of metadata. fields: those that they have beside it.

    UsageError when a clause names a field that neither the rows nor their metadata have, or asks of one what it cannot be.
    """
    for clause in where.leaves():
        if clause.field not in fields and clause.field not in metadata_keys:
            there = listed([*fields, *sorted(metadata_keys)])
            raise UsageError(f"no field {clause.field!r} to filter by; this gallery has {there}")
    others = set(metadata_keys).difference(COLUMNS)
    settled = where.replaced(lambda clause: replace(clause, of_metadata=clause.field in others))
    for clause in settled.leaves():
        _check_kind(clause)
    return settled


def _check_kind(clause: Clause) -> None:
    field, values = clause.field, clause.values
    if is_metadata(clause):
        _ = clause.numbers, clause.dates  # raise for a range that holds nothing
    elif field in SIZES:
        sized = [value for value in values if Clause(field, (value,)).numbers or readings.number(value) is not None]
        if clause.operator not in (*ORDERED, "=") or len(sized) < len(values):
            raise UsageError(f"{field} is a number of pixels; write {field}=640, {field}=640..1280 or {field}>=1000")
    elif field == ORIENTATION and (clause.operator != "=" or not SHAPES.keys() >= set(values)):
        raise UsageError(f"orientation is one of {', '.join(SHAPES)}; write orientation=portrait")
    elif clause.operator in ORDERED:
        raise UsageError(f"{field} is text and has no order; write {field}=value or {field}~part")
    elif field == FOLDER and not all(value.strip("/") for value in values):
        raise UsageError("folder names a folder below the dataset's root; write folder=2024/beach")


def is_metadata(clause: Clause) -> bool:
    return clause.of_metadata or clause.field not in FIELDS


def to_milvus(where: Filter) -> str:
    """Milvus expression of a filter without `~`, which values.containing puts into other words: OR chains of `==` or AND chains
    of `!=` (never `in` on JSON), and comparisons with the readings that a collection holds."""
    return " and ".join(
        _clause_to_milvus(one)
        if isinstance(one, Clause)
        else _joined([f"({to_milvus(part) or _ALL})" for part in one.filters] or [_NONE], " or ")
        for one in where.clauses
    )


def _clause_to_milvus(clause: Clause) -> str:
    assert clause.operator != "~", "values.containing comes first"
    if is_metadata(clause):
        return _metadata_to_milvus(clause)
    if clause.field in SIZES:
        return _intervals(clause.field, _whole(_sizes(clause)), clause.negate)
    if clause.field == ORIENTATION:
        shapes = [sign for shape, sign in SHAPES.items() if (shape in clause.values) != clause.negate]
        return _joined([f"width {sign} height" for sign in shapes] or [_NONE], " or ")
    if clause.field == FOLDER:
        ranges = [f"path > {_quote(f'{one}/')} and path < {_quote(f'{one}0')}" for one in _folders(clause)]
        outside = [f"path <= {_quote(f'{one}/')} or path >= {_quote(f'{one}0')}" for one in _folders(clause)]
        return _joined(
            [f"({one})" for one in (outside if clause.negate else ranges)], " and " if clause.negate else " or "
        )
    if clause.field == "id":
        return f"id {'not ' * clause.negate}in [{', '.join(map(_quote, clause.values))}]"
    return _equal(clause.field, clause)


def _equal(field: str, clause: Clause) -> str:
    operator, joiner = ("!=", " and ") if clause.negate else ("==", " or ")
    return _joined([f"{field} {operator} {_quote(value)}" for value in clause.spelt], joiner)


def _metadata_to_milvus(clause: Clause) -> str:
    key = _quote(clause.field)
    parts = []
    if clause.operator in ("=", EXACT):
        text = _equal(f"metadata[{key}]", clause)
        # A key that a row lacks reads as ''. A server finds every `!=` on it true, Lite finds it false.
        if ("" in clause.values) != clause.negate:
            text = f"((not exists metadata[{key}]) or {text})"
        elif clause.negate:
            text = f"((exists metadata[{key}]) and {text})"
        parts.append(text)
    for name, intervals in (("numbers", clause.numbers), ("dates", clause.dates)):
        if intervals:
            field = f"{name}[{key}]"
            text = _intervals(field, intervals, clause.negate)
            parts.append(f"((not exists {field}) or {text})" if clause.negate else text)
    return _joined(parts, " and " if clause.negate else " or ")


def _intervals(field: str, intervals: Sequence[Interval], negate: bool) -> str:
    """Whether a number is in one of them, or in none."""
    return _joined(
        [_outside(field, one) if negate else _inside(field, one) for one in intervals], " and " if negate else " or "
    )


def _inside(field: str, one: Interval) -> str:
    ends = []
    if one.low != -math.inf:
        ends.append(f"{field} {'>' if one.open_low else '>='} {_literal(one.low)}")
    if one.high != math.inf:
        ends.append(f"{field} {'<' if one.open_high else '<='} {_literal(one.high)}")
    return f"({' and '.join(ends) or _ALL})"


def _outside(field: str, one: Interval) -> str:
    ends = []
    if one.low != -math.inf:
        ends.append(f"{field} {'<=' if one.open_low else '<'} {_literal(one.low)}")
    if one.high != math.inf:
        ends.append(f"{field} {'>=' if one.open_high else '>'} {_literal(one.high)}")
    return f"({' or '.join(ends) or _NONE})"


def _literal(bound: float) -> str:
    return repr(bound)


def _sizes(clause: Clause) -> list[Interval]:
    """Of a column of whole numbers, where a plain value is a number too."""
    plain = [readings.number(value) for value in clause.values] if clause.operator == "=" else []
    return [Interval(one, one) for one in plain if one is not None] + clause.numbers


def _whole(intervals: Iterable[Interval]) -> list[Interval]:
    """With whole ends that belong to them: a server compares a whole column with nothing else."""
    made = []
    for one in intervals:
        low, high = (min(max(end, -(2.0**31)), 2.0**31) for end in (one.low, one.high))  # no picture is so large
        first = math.floor(low) + 1 if one.open_low else math.ceil(low)
        last = math.ceil(high) - 1 if one.open_high else math.floor(high)
        made.append(Interval(first, last))
    return made


def _folders(clause: Clause) -> list[str]:
    return list(dict.fromkeys(value.strip("/") for value in clause.spelt))


def _joined(texts: Sequence[str], joiner: str) -> str:
    """In pairs of pairs: a server reads a flat chain as a tree as deep as it is long, and stops at a depth of 100."""
    if len(texts) == 1:
        return f"({texts[0]})"
    middle = len(texts) // 2
    return f"({_joined(texts[:middle], joiner)}{joiner}{_joined(texts[middle:], joiner)})"


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def mask(where: Filter, table: pd.DataFrame) -> pd.Series:
    """Boolean row mask over records.Rows.table; a missing metadata key reads as ''."""
    import pandas as pd

    return pd.Series(_mask(where, table), index=table.index)


def _mask(where: Filter, table: pd.DataFrame) -> np.ndarray:
    import numpy as np

    keep = np.ones(len(table), dtype=bool)
    for one in where.clauses:
        if isinstance(one, Clause):
            keep &= _clause_mask(one, table)
        else:
            keep &= np.any([np.zeros(len(table), dtype=bool), *(_mask(part, table) for part in one.filters)], axis=0)
    return keep


def _clause_mask(clause: Clause, table: pd.DataFrame) -> np.ndarray:
    import numpy as np

    holds, known = (
        _test(clause),
        dict[object, bool](),
    )  # not `isin`: pandas' text is UTF-8, which not every file name is
    values = value_of(clause, table)
    wanted = (known[value] if value in known else known.setdefault(value, holds(value)) for value in values)
    return np.fromiter(wanted, dtype=bool, count=len(table)) != clause.negate


def value_of(clause: Clause, table: pd.DataFrame) -> list[str] | list[int]:
    """What the clause's field is in each row."""
    if is_metadata(clause):
        return [row.get(clause.field, "") for row in table["metadata"]]
    if clause.field == FOLDER:
        return [path.rpartition("/")[0] for path in table["path"]]
    if clause.field == ORIENTATION:
        sides = zip(table["width"].tolist(), table["height"].tolist(), strict=True)
        return [
            "landscape" if width > height else "portrait" if width < height else "square" for width, height in sides
        ]
    found: list[str] | list[int] = table[clause.field].tolist()
    return found


def _test(clause: Clause) -> Callable[[str | int], bool]:
    """Whether a value is what the clause asks for, `negate` aside."""
    if clause.operator == "~":
        parts = [one.casefold() for one in clause.spelt]
        return lambda text: any(part in str(text).casefold() for part in parts)
    if not is_metadata(clause) and clause.field in SIZES:
        sizes = _sizes(clause)
        return lambda size: any(one.holds(float(size)) for one in sizes)
    if clause.field == FOLDER and not clause.of_metadata:
        folders = _folders(clause)
        return lambda text: any(f"{text}/".startswith(f"{one}/") for one in folders)
    texts = set(clause.spelt) if clause.operator in ("=", EXACT) else set()
    if not is_metadata(clause):
        return lambda text: text in texts
    numbers, dates = clause.numbers, clause.dates

    def holds(text: str | int) -> bool:
        assert isinstance(text, str)
        if text in texts:
            return True
        number = readings.number(text) if numbers else None
        date = readings.date(text) if dates else None
        return (number is not None and any(one.holds(number) for one in numbers)) or (
            date is not None and any(one.holds(date[0]) for one in dates)
        )

    return holds


def matching(where: Filter, records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """Those that pass, in order. UsageError when a clause names a field that no record has."""
    import pandas as pd

    where = check(where, {key for record in records for key in record.metadata}, fields=UNREAD)
    columns: Mapping[str, list[object]] = {
        name: [getattr(record, name, "") for record in records] for name in (*COLUMNS, "metadata")
    }
    keep = _mask(where, pd.DataFrame(columns, dtype=object))
    return [record for record, kept in zip(records, keep, strict=True) if kept]
