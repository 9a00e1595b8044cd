"""A store in memory that compares with every row: the truth in tests, and the stand-in while Milvus Lite is held."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.errors import StoreError
from pipeline.filters import Filter, mask
from pipeline.fingerprints import row_digest
from pipeline.plugins import Card
from pipeline.records import Rows, SearchHit, VectorStore, joined
from pipeline.schema import NAMES
from pipeline.stores import _rules, _wire

if TYPE_CHECKING:
    import numpy as np

CARD = Card("every row compared, in memory; exact, nothing kept")

_CELLS = 16_000_000  # scores held at once: 64 MB


def build() -> VectorStore:
    return ExactStore()


@dataclass
class _Collection:
    """Rows by id; batches that came since the last read wait in `arrived`."""

    dim: int
    keys: tuple[str, ...]
    arrived: list[Rows] = field(default_factory=list)
    settled: Rows | None = None
    ready: _Ready | None = None  # of `settled`

    def rows(self) -> Rows:
        """One row per id, the newest, in order of id."""
        import numpy as np

        if self.arrived or self.settled is None:
            parts = ([self.settled] if self.settled else []) + self.arrived
            if not parts:
                return Rows(schema.table(dict.fromkeys(NAMES, ())), np.empty((0, self.dim), np.float32))
            rows = joined(parts)
            newest = rows.table["id"].drop_duplicates(keep="last").sort_values()
            self.settled, self.arrived = rows.take(newest.index.to_numpy()), []
        return self.settled

    def searched(self) -> _Ready:
        """Made once, not at every search."""
        rows = self.rows()
        if self.ready is None or self.ready.rows is not rows:
            self.ready = _Ready(rows)
        return self.ready


class _Ready:
    """Rows in order of id, the lengths of their embeddings (n,), the number of the row of each id, and facts by number."""

    def __init__(self, rows: Rows) -> None:
        import numpy as np

        self.rows = rows
        self.lengths = np.linalg.norm(rows.embeddings, axis=1)  # none is zero: check_vectors
        self.places = {id_: number for number, id_ in enumerate(rows.table["id"])}
        facts = rows.table[list(NAMES)]
        self.facts = _wire.Facts(lambda some: facts.iloc[some].to_dict("records")).of


class ExactStore:
    """The VectorStore promises with a loop over everything. Threads may share one."""

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}
        self._aliases: dict[str, str] = {}
        self._lock = threading.RLock()

    def create(self, collection: str, *, dim: int, metadata_keys: Sequence[str] = (), index: str = "") -> None:
        _rules.check_name(collection)
        _rules.check_dim(collection, dim)
        with self._lock:
            if not self.exists(collection):
                self._collections[collection] = _Collection(dim, tuple(metadata_keys))
            elif self._get(collection).dim != dim:
                raise StoreError(
                    f"collection {collection!r} holds dim {self._get(collection).dim}, not {dim}; drop it first"
                )

    def exists(self, collection: str) -> bool:
        _rules.check_name(collection)
        return self._aliases.get(collection, collection) in self._collections

    def upsert(self, collection: str, rows: Rows) -> None:
        with self._lock:
            entry = self._get(collection)
            embeddings = _rules.check_rows(rows, entry.dim)
            if len(rows):
                metadata = schema.with_every_key(rows.table["metadata"], entry.keys)
                table = rows.table.assign(given=rows.table["metadata"], metadata=metadata)  # given: what is digested
                entry.arrived.append(Rows(table, embeddings.copy()))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        with self._lock:
            entry = self._get(collection)
            rows = entry.rows()
            entry.settled = rows.take(~rows.table["id"].isin(list(ids)).to_numpy(dtype=bool))

    def search(self, collection: str, queries: np.ndarray, *, k: int, where: Filter) -> list[list[SearchHit]]:
        import numpy as np

        _rules.check_k(k)
        with self._lock:
            entry = self._get(collection)
            ready = entry.searched()
        rows = ready.rows
        queries = _rules.check_vectors("queries", queries, entry.dim)
        if not len(rows):
            return [[] for _ in queries]
        chosen = np.flatnonzero(mask(where, rows.table).to_numpy(dtype=bool)) if where else None
        step = max(1, _CELLS // len(rows))
        hits = []
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            scores = (
                some @ rows.embeddings.T / ready.lengths / np.linalg.norm(some, axis=1)[:, None]
            )  # (at most step, n), cosine
            hits += [_best(ready, row, k, chosen) for row in scores]
        return hits

    def embeddings(self, collection: str, ids: Sequence[str]) -> dict[str, np.ndarray]:
        with self._lock:
            ready = self._get(collection).searched()
        return {id_: ready.rows.embeddings[ready.places[id_]] for id_ in ids if id_ in ready.places}

    def digests(self, collection: str) -> dict[str, str]:
        with self._lock:
            rows = self._get(collection).rows()
        records = rows.table.to_dict("records")
        return {
            row["id"]: row_digest(row | {"metadata": row["given"]}, embedding)
            for row, embedding in zip(records, rows.embeddings, strict=True)
        }

    def count(self, collection: str) -> int:
        with self._lock:
            return len(self._get(collection).rows())

    def point(self, alias: str, collection: str) -> None:
        _rules.check_name(alias)
        with self._lock:
            self._get(collection)
            if alias in self._collections:
                raise StoreError(f"{alias!r} is a collection and cannot be an alias too; drop it first")
            self._aliases[alias] = self._aliases.get(collection, collection)

    def describe(self, collection: str) -> dict[str, Any]:
        with self._lock:
            name, entry = self._aliases.get(collection, collection), self._get(collection)
            aliases = sorted(alias for alias, target in self._aliases.items() if target == name)
            return {
                "collection": name,
                "rows": len(entry.rows()),
                "dim": entry.dim,
                "index": "every row",
                "backend": "exact, in memory",
                "alias": ", ".join(aliases),
            }

    def collections(self) -> list[str]:
        return sorted(self._collections)

    def drop(self, collection: str) -> None:
        _rules.check_name(collection)
        with self._lock:
            name = self._aliases.get(collection, collection)
            self._collections.pop(name, None)
            self._aliases = {alias: target for alias, target in self._aliases.items() if target != name}

    def ping(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to close; what was upserted stays until the object goes."""

    def _get(self, collection: str) -> _Collection:
        if not self.exists(collection):
            raise StoreError(_rules.no_collection(collection, self.collections()))
        return self._collections[self._aliases.get(collection, collection)]


def _best(ready: _Ready, scores: np.ndarray, k: int, chosen: np.ndarray | None) -> list[SearchHit]:
    """The k best by (-score, id). chosen: numbers of the rows that may be among them, ascending; None = all."""
    import numpy as np

    scores = _wire.settled_scores(scores if chosen is None else scores[chosen])
    if k < len(scores):
        kth = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= kth)  # every tie at the cut, for the ids to decide
    else:
        near = np.arange(len(scores))
    order = near[np.argsort(-scores[near], kind="stable")][:k]
    facts = ready.facts((order if chosen is None else chosen[order]).tolist())
    return [SearchHit(score=float(scores[place]), **row) for place, row in zip(order, facts, strict=True)]
