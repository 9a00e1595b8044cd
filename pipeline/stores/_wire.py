"""How rows, filters and hits travel to Milvus and back."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline import filters, schema
from pipeline.filters import Filter
from pipeline.fingerprints import row_digest
from pipeline.records import Rows, SearchHit
from pipeline.schema import COLUMNS, sendable, sendable_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

_BATCH_BYTES = 16_000_000  # a server takes 64 MB in one call
_BATCH_ROWS = 2_000
_MAX_REMEMBERED = 4_096  # rows whose facts are remembered, a kilobyte each


def batches(rows: Rows, embeddings: np.ndarray, keys: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
    """Rows as Milvus takes them, each id once, in lists below the limit of one call."""
    records = rows.table.to_dict("records")
    metadata = schema.with_every_key(rows.table["metadata"], keys)
    last = {row["id"]: number for number, row in enumerate(records)}  # a server refuses one id twice in a call
    batch: list[dict[str, Any]] = []
    size = 0
    for number in sorted(last.values()):
        row, embedding = records[number], embeddings[number]
        whole = row | {"metadata": metadata[number]}
        sent = {one.name: one.type.sent(whole[one.name]) for one in COLUMNS}
        sent |= schema.read(whole["metadata"]) | {"digest": row_digest(row, embedding), "embedding": embedding}
        bytes_sent = embedding.nbytes + 4 * sum(len(str(value)) for value in row.values())
        if batch and (size + bytes_sent > _BATCH_BYTES or len(batch) == _BATCH_ROWS):
            yield batch
            batch, size = [], 0
        batch.append(sent)
        size += bytes_sent
    if batch:
        yield batch


def hits(answer: Any) -> list[SearchHit]:
    """Hits of one query, highest score first, ties by id."""
    scores = settled_scores([match["distance"] for match in answer])
    hits = [
        SearchHit(score=float(score), **{one.name: one.type.received(match["entity"][one.name]) for one in COLUMNS})
        for match, score in zip(answer, scores, strict=True)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))


def sendable_filter(where: Filter) -> Filter:
    """The filter over what was sent: field names and values in their sendable form."""
    return where.replaced(
        lambda clause: replace(
            clause,
            field=sendable_key(clause.field) if filters.is_metadata(clause) else clause.field,
            of_metadata=filters.is_metadata(clause),
            values=tuple(map(sendable, clause.values)),
        )
    )


def among(ids: Sequence[str]) -> str:
    return f"id in [{', '.join(quoted(sendable(one)) for one in ids)}]"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def settled_scores(scores: ArrayLike) -> np.ndarray:
    """Cosines clipped to [-1, 1] and rounded to 6 decimals.

    Equal pictures differ in float32's last digit from one index or batch to the next; without rounding the order of
    ties would change with it.
    """
    import numpy as np

    return np.clip(np.round(np.asarray(scores, dtype=np.float64), 6), -1.0, 1.0)


def digests(after: Callable[[str], list[dict[str, Any]]], rows_a_page: int) -> dict[str, str]:
    """Id to digest of all rows. after: the page of rows that follow an id, smallest first."""
    digests: dict[str, str] = {}
    last = ""
    while True:
        page = after(last)
        digests |= {schema.received(row["id"]): row["digest"] for row in page}
        if len(page) < rows_a_page:
            return digests
        last = page[-1]["id"]


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Facts:
    """The fields of schema.Row by the number of the row. A re-ranker asks for hundreds, and much the same ones every time."""

    def __init__(self, read: Callable[[list[int]], list[dict[str, Any]]]) -> None:
        """read: the fields of some rows, which never change."""
        self._read = read
        self._remembered: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Of each, with metadata that the caller may keep and change."""
        with self._lock:
            known = self._remembered
            if new := [row for row in dict.fromkeys(rows) if row not in known]:
                known.update(zip(new, self._read(new), strict=True))
            found = [known[row] | {"metadata": dict(known[row]["metadata"])} for row in rows]
            while len(known) > _MAX_REMEMBERED:
                known.popitem(last=False)
            return found
