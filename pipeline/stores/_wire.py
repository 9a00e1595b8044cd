"""How rows, filters and hits travel to Milvus and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.filters import COLUMNS, Filter
from pipeline.fingerprints import row_digest
from pipeline.records import Rows, SearchHit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

TEXT = ("parent", "box", "path", "label", "split")
SHOWN = ["id", *TEXT, "width", "height", "metadata"]  # what a hit carries

_BATCH_BYTES = 16_000_000  # a server takes 64 MB in one call
_BATCH_ROWS = 2_000

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


def with_every_key(metadata: dict[str, str], keys: Iterable[str]) -> dict[str, str]:
    """`metadata` with the collection's other keys as ''."""
    return dict.fromkeys(keys, "") | metadata


def batches(rows: Rows, embeddings: np.ndarray, keys: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
    """Rows as Milvus takes them, each id once, in lists below the limit of one call."""
    records = rows.table.to_dict("records")
    last = {row["id"]: number for number, row in enumerate(records)}  # a server refuses one id twice in a call
    batch: list[dict[str, Any]] = []
    size = 0
    for number in sorted(last.values()):
        row, embedding = records[number], embeddings[number]
        metadata = with_every_key(row["metadata"], keys)
        sent = {
            "id": sendable(row["id"]),
            **{name: sendable(row[name]) for name in TEXT},
            "width": int(row["width"]),
            "height": int(row["height"]),
            "metadata": {sendable_key(key): sendable(value) for key, value in metadata.items()},
            "digest": row_digest(row, embedding),
            "embedding": embedding,
        }
        bytes_sent = embedding.nbytes + 4 * sum(map(len, (*row["metadata"].values(), *(row[name] for name in TEXT))))
        if batch and (size + bytes_sent > _BATCH_BYTES or len(batch) == _BATCH_ROWS):
            yield batch
            batch, size = [], 0
        batch.append(sent)
        size += bytes_sent
    if batch:
        yield batch


def hits(found: Any) -> list[SearchHit]:
    """Hits of one query, highest score first, ties by id."""
    scores = settled_scores([one["distance"] for one in found])
    read = [_hit(one["entity"], float(score)) for one, score in zip(found, scores, strict=True)]
    return sorted(read, key=lambda hit: (-hit.score, hit.id))


def _hit(row: dict[str, Any], score: float) -> SearchHit:
    return SearchHit(
        id=received(row["id"]),
        score=score,
        path=received(row["path"]),
        label=received(row["label"]),
        split=received(row["split"]),
        width=row["width"],
        height=row["height"],
        metadata={received(key): received(value) for key, value in row["metadata"].items()},
        parent=received(row["parent"]),
        box=received(row["box"]),
    )


def sendable_filter(where: Filter) -> Filter:
    """The filter over what was sent: field names and values in their sendable form."""
    return Filter(
        tuple(
            replace(
                clause,
                field=clause.field if clause.field in COLUMNS else sendable_key(clause.field),
                values=tuple(map(sendable, clause.values)),
            )
            for clause in where.clauses
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
