"""The rows of a Milvus Lite collection, read where they lie: in this process's memory.

Lite keeps every row in memory, and its engine walks over all ids in Python at each search, twice, before it compares
anything (milvus-lite 3.2.2: 90 % of the time of a search among 200,000 rows). What that walk finds, the newest row of
each id that is not deleted, changes with a write and not with a search: here it is worked out once after a change, in
NumPy, and the comparing is that of `_scan`. Rows and deletions are the engine's own; nothing is kept twice but codes of
one byte a value. A filter is read from a piece's rows once: the engine does it at every search, and takes 65 µs a row of
metadata.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pipeline.filters import Filter, mask
from pipeline.records import SearchHit
from pipeline.schema import COLUMNS, NAMES, TEXTS, received, sendable
from pipeline.stores import _scan
from pipeline.stores._wire import Facts, settled_scores

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_MAX_MASKS = 16  # filters whose rows a piece remembers, a byte a row each


class _Piece:
    """Rows that lie together: one of the engine's immutable segments, or those it has not flushed yet."""

    def __init__(
        self, row_of: Mapping[str, int], ids: Sequence[str], seqs: np.ndarray, vectors: np.ndarray, table: pa.Table
    ) -> None:
        import numpy as np

        self.row_of, self.ids, self.seqs, self.table = row_of, ids, seqs, table
        self.block = _scan.Block(vectors)
        self.hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
        self.live: np.ndarray | None = None  # (n,) bool: newest of their ids and not deleted; None = all
        self._facts = facts = table.select(NAMES)
        self.facts = Facts(lambda rows: _records(_Columns(facts.take(rows)))).of  # by the number of the row
        self._masks: OrderedDict[Filter, np.ndarray] = OrderedDict()

    def passing(self, where: Filter) -> np.ndarray | None:
        """(n,) bool, the live rows that a filter chooses; None = all."""
        if not where:
            return self.live
        if where not in self._masks:
            import pandas as pd

            self._masks[where] = mask(where, cast(pd.DataFrame, _Columns(self._facts))).to_numpy()
            if len(self._masks) > _MAX_MASKS:
                self._masks.popitem(last=False)
        self._masks.move_to_end(where)
        chosen = self._masks[where]
        return chosen if self.live is None else chosen & self.live

    def is_live(self, row: int) -> bool:
        return self.live is None or bool(self.live[row])


def _records(table: _Columns) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, values, strict=True)) for values in zip(*(table[name] for name in NAMES), strict=True)]


class _Columns:
    """A table of the engine as a filter asks it: a column at a time, as text was before it was sent."""

    def __init__(self, table: pa.Table) -> None:
        import pandas as pd

        self._table, self.index = table, pd.RangeIndex(len(table))

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, name: str) -> np.ndarray:
        import numpy as np

        column = next(one for one in COLUMNS if one.name == name)
        values = self._table[name].to_pylist()
        if column.type is TEXTS:
            values = map(json.loads, values)
        made = np.empty(len(self), dtype=object)
        made[:] = [column.type.received(value) for value in values]
        return made


class LiteRows:
    """One collection. Between `refresh` and its answers nothing may write: hold the link's turn."""

    def __init__(self, collection: Any) -> None:
        """collection: of Milvus Lite's engine."""
        self.collection = collection
        self._segments: dict[int, tuple[Any, _Piece]] = {}  # by the identity of the engine's segment
        self._pieces: list[_Piece] = []
        self._changes = -1
        self._coding: threading.Thread | None = None

    def refresh(self, changes: int) -> None:
        """Take in what was written. changes: a number that grew with every write; while it stays, only the engine's own
        merging of segments is followed."""
        merging = self.collection._maintenance_lock
        if not merging.acquire(blocking=changes != self._changes):
            return  # the engine merges segments, for minutes at times: what is held says the same
        try:
            segments, deleted = self.collection._segments_snapshot(), self.collection._delta_index
            if changes == self._changes and {*map(id, segments)} == self._segments.keys():
                return
            gone = dict(deleted._map)
        finally:
            merging.release()
        held = {}
        for segment in segments:
            vectors, _ = segment.vector_data("embedding")
            if (known := self._segments.get(id(segment))) is None:
                known = segment, _Piece(segment.pk_to_row, segment.pks, segment.seqs, vectors, segment.table)
            held[id(segment)] = known
        self._segments, self._pieces = held, [piece for _, piece in held.values()]
        memory = self.collection._memtable
        for id_, (seq, _) in memory.delete_index_snapshot().items():
            gone[id_] = max(seq, gone.get(id_, seq))
        ids, seqs, vectors, _, table = memory.to_search_snapshot("embedding", include_table=True)
        if ids:
            self._pieces.append(_Piece({id_: row for row, id_ in enumerate(ids)}, ids, seqs, vectors, table))
        _mark_live(self._pieces, gone)
        self._changes = changes

    def search(self, queries: Sequence[np.ndarray], k: int, where: Filter) -> list[list[SearchHit]]:
        """The k nearest rows to each (dim,), exactly."""
        passing = [piece.passing(where) for piece in self._pieces]
        self._code()
        return [self._nearest(query, k, passing) for query in queries]

    def embeddings(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        import numpy as np

        wanted = {sendable(id_): id_ for id_ in ids}
        return {
            wanted[sent]: np.array(piece.block.vectors[row], dtype=np.float32)
            for piece in self._pieces
            for sent in wanted
            if (row := piece.row_of.get(sent)) is not None and piece.is_live(row)
        }

    def digests(self) -> Iterator[tuple[str, str]]:
        """Id and digest of every row."""
        import numpy as np

        for piece in self._pieces:
            digests = piece.table["digest"].to_pylist()
            rows = range(len(digests)) if piece.live is None else np.flatnonzero(piece.live).tolist()
            yield from ((received(piece.ids[row]), digests[row]) for row in rows)

    def count(self) -> int:
        return sum(len(piece.ids) if piece.live is None else int(piece.live.sum()) for piece in self._pieces)

    def _nearest(self, query: np.ndarray, k: int, passing: Sequence[np.ndarray | None]) -> list[SearchHit]:
        found = _scan.nearest([piece.block for piece in self._pieces], query, k, passing)
        scores = settled_scores([score for _, _, score in found]).tolist()
        order = sorted(
            (-score, received(self._pieces[at].ids[row]), at, row)
            for score, (at, row, _) in zip(scores, found, strict=True)
        )[:k]
        rows: dict[int, list[int]] = {}
        for _, _, at, row in order:
            rows.setdefault(at, []).append(row)
        facts = {at: iter(self._pieces[at].facts(some)) for at, some in rows.items()}
        return [SearchHit(score=-least, **next(facts[at])) for least, _, at, _ in order]

    def _code(self) -> None:
        """Make what is missing of codes beside the answers, which need none; a command that asks once never waits."""
        missing = [piece.block for piece in self._pieces if piece.block.needs_codes]
        if missing and (self._coding is None or not self._coding.is_alive()):
            self._coding = threading.Thread(target=_code, args=(missing,), name="codes", daemon=True)
            self._coding.start()


def _code(blocks: Sequence[_scan.Block]) -> None:
    for block in blocks:
        block.code()


def _mark_live(pieces: Sequence[_Piece], deleted: Mapping[str, int]) -> None:
    """Set `live`: an upsert leaves the older rows of an id behind, and a deletion counts for rows older than it."""
    import numpy as np

    live = [np.ones(len(piece.ids), dtype=bool) for piece in pieces]
    if pieces:
        hashes = np.concatenate([piece.hashes for piece in pieces])
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        starts = np.cumsum([0, *(len(piece.ids) for piece in pieces)])
        newest: dict[str, tuple[int, int, int]] = {}
        for place in np.unique(order[np.concatenate([same, same + 1])]).tolist():  # equal ids have equal hashes
            at = int(np.searchsorted(starts, place, side="right")) - 1
            row = place - int(starts[at])
            id_, seq = pieces[at].ids[row], int(pieces[at].seqs[row])
            other = newest.get(id_)
            if other is None or seq > other[0]:
                newest[id_] = (seq, at, row)
                if other:
                    live[other[1]][other[2]] = False
            else:
                live[at][row] = False
    for id_, seq in deleted.items():
        for piece, alive in zip(pieces, live, strict=True):
            if (row := piece.row_of.get(id_)) is not None and int(piece.seqs[row]) < seq:
                alive[row] = False
    for piece, alive in zip(pieces, live, strict=True):
        piece.live = None if alive.all() else alive
