"""The row of a gallery, written once: its columns, their types and what fits into them.

Parts, exchange files, stores, filters, digests and hits are derived from `Row`. How to add a column: docs/extending.md.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from pipeline import readings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Of collections: a change of a column's name, type or size, or of `readings`, adds 1, and `sync` fills new ones.
# 2: with the numbers and dates that metadata's text reads as.
VERSION = 2
READINGS = ("numbers", "dates")  # JSON columns of a collection, beside those of `Row`

_MAX_READINGS = 60_000  # bytes: more columns of numbers than a server's JSON holds are compared as text alone
_MARK = "\ue000"  # private use: starts an escape and is itself escaped, so the form is reversible
_UNSENDABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ue000]")
_UNSENDABLE_IN_KEY = re.compile(r"[^\w .-]|[\x7f\ud800-\udfff\ue000]")
_ESCAPE = re.compile(_MARK + "([0-9a-f]+);")


def sendable(text: str) -> str:
    """Text that is valid UTF-8 and that every filter parser reads alike; ordinary text is returned as it is.

    A file name that is not UTF-8 reaches Python with lone surrogates, which protobuf refuses; control characters
    are spelled differently by each parser of string literals. `received` undoes it exactly.
    """
    return _UNSENDABLE.sub(_escaped, text)


def sendable_key(key: str) -> str:
    """`sendable` for a metadata key: Milvus cuts JSON paths at quotes and brackets without unescaping them."""
    return _UNSENDABLE_IN_KEY.sub(_escaped, key)


def received(text: str) -> str:
    """The text that `sendable` or `sendable_key` was given."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if _MARK in text else text


def _escaped(match: re.Match[str]) -> str:
    return f"{_MARK}{ord(match[0]):x};"


@dataclass(frozen=True)
class Type:
    """A Python type, what it is called where rows are kept, and how a value goes to a store and comes from it."""

    python: type
    arrow: str
    pandas: str
    milvus: str
    sent: Callable[[Any], Any] = int
    received: Callable[[Any], Any] = int


TEXT = Type(str, arrow="string", pandas="str", milvus="VARCHAR", sent=sendable, received=received)
WHOLE = Type(int, arrow="int32", pandas="int32", milvus="INT64")
TEXTS = Type(
    dict,  # text to text; in Arrow as JSON
    arrow="string",
    pandas="object",
    milvus="JSON",
    sent=lambda texts: {sendable_key(key): sendable(text) for key, text in texts.items()},
    received=lambda texts: {received(key): received(text) for key, text in texts.items()},
)


def _column(type: Type, max_bytes: int = 0, *, filterable: bool = False) -> Any:
    about = {"type": type, "max_bytes": max_bytes, "filterable": filterable}
    return field(default_factory=type.python, metadata=about)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One picture, or part of one, without its embedding. What is unknown is empty: '', 0 or {}."""

    id: str = _column(TEXT, 64)
    parent: str = _column(
        TEXT, 64, filterable=True
    )  # of a part: its picture's id; of a frame, which has no box: its film's
    box: str = _column(TEXT, 64)  # of a part: "x,y,w,h" in pixels of its picture
    path: str = _column(TEXT, 8192, filterable=True)
    label: str = _column(TEXT, 1024, filterable=True)
    split: str = _column(TEXT, 256, filterable=True)
    width: int = _column(WHOLE)
    height: int = _column(WHOLE)
    metadata: dict[str, str] = _column(TEXTS, 60_000)  # noqa: RUF009  # a server's JSON holds 65,536


@dataclass(frozen=True)
class Column:
    """max_bytes: of the UTF-8 of `sendable` text, keys and values together; 0 where there is none."""

    name: str
    type: Type
    max_bytes: int
    filterable: bool  # as each key of metadata is

    def fault(self, value: Any) -> str:
        """What every store refuses in a value, in words; '' when nothing is wrong."""
        if self.type is TEXT:
            return self._text_fault(value)
        return "" if self.type is WHOLE else self._texts_fault(value)

    def _text_fault(self, value: Any) -> str:
        if not isinstance(value, str):
            return f"{self.name} is {value!r}, not text"
        if len(value) * 8 > self.max_bytes and (size := len(sendable(value).encode())) > self.max_bytes:
            return f"{self.name} takes {size:,} bytes of UTF-8 and {self.max_bytes:,} fit; shorten {value[:40]!r}…"
        return "" if value or self.name != "id" else "it has no id"

    def _texts_fault(self, value: Any) -> str:
        if not isinstance(value, dict):
            return f"{self.name} is {value!r}, not a dict of text"
        size = 0
        for key, text in value.items():
            if not isinstance(key, str) or not isinstance(text, str):
                return f"{self.name} {key!r} is {text!r}; keys and values are text"
            size += len(sendable_key(key).encode()) + len(sendable(text).encode()) + 6
        if size > self.max_bytes:
            return f"{self.name} takes {size:,} bytes and {self.max_bytes:,} fit; drop a column"
        return ""


COLUMNS = tuple(Column(field.name, **field.metadata) for field in fields(Row))
NAMES = tuple(column.name for column in COLUMNS)


def named(*types: Type) -> tuple[str, ...]:
    """The names of the columns of these types."""
    return tuple(column.name for column in COLUMNS if column.type in types)


def table(columns: Mapping[str, Iterable[Any]]) -> pd.DataFrame:
    """The table of records.Rows, of the values of each column."""
    import pandas as pd

    made = {column.name: pd.Series([*columns[column.name]], dtype=column.type.pandas) for column in COLUMNS}
    return pd.DataFrame(made)


def flat(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The values of each column, dicts as JSON: for files that hold text and numbers alone."""
    return {name: [*map(json_text, table[name])] if name in named(TEXTS) else table[name].tolist() for name in NAMES}


def json_text(texts: Mapping[str, str]) -> str:
    return json.dumps(dict(texts), ensure_ascii=False, sort_keys=True)


def with_every_key(metadata: Iterable[dict[str, str]], keys: Iterable[str]) -> list[dict[str, str]]:
    """Each with the gallery's other keys as ''."""
    empty = dict.fromkeys(keys, "")
    return [empty | texts for texts in metadata]


def read(metadata: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """The READINGS of a row: key to number, and key to the second at which a date begins."""
    read: dict[str, dict[str, float]] = {name: {} for name in READINGS}
    size = 0
    for key, text in metadata.items():
        if not text or len(text) > 40:  # no number and no date is longer
            continue
        number, date = readings.number(text), readings.date(text)
        size += len(sendable_key(key).encode()) + 30
        if size > _MAX_READINGS:
            break
        if number is not None:
            read["numbers"][sendable_key(key)] = number
        if date is not None:
            read["dates"][sendable_key(key)] = date[0]
    return read


def whole_of(row: Mapping[str, Any]) -> str:
    """Of a part the id of its picture, in whose file it is; '' of a whole picture, which a film's frame is too."""
    return str(row["parent"]) if row["box"] else ""


def fault_of(name: str, value: Any) -> str:
    """What every store refuses in a value of this column, in words; '' when nothing is wrong."""
    return next(column for column in COLUMNS if column.name == name).fault(value)


def fault(row: Mapping[str, Any]) -> str:
    """What every store refuses in a row, in words; '' when nothing is wrong."""
    return next(filter(None, (column.fault(row[column.name]) for column in COLUMNS)), "")


def embedding_faults(embeddings: np.ndarray) -> Sequence[str]:
    """Of each row of (n, dim), what every store refuses; '' when nothing is wrong."""
    import numpy as np

    wrong = np.full(len(embeddings), "", object)
    wrong[~embeddings.any(axis=1)] = "is all zero and has no direction to compare"
    wrong[~np.isfinite(embeddings).all(axis=1)] = "holds NaN or infinity; the encoder is broken for that picture"
    return list(wrong)


def spellings(text: str) -> list[str]:
    """`text` first, then its forms that differ from it: what a disk, a store or an older gallery may hold."""
    return list(dict.fromkeys([text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]))


def composed(text: str) -> str:
    """In the form in which labels are kept and names are compared (NFC)."""
    return unicodedata.normalize("NFC", text)
