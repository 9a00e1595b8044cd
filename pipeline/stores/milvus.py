"""Milvus: the embedded Lite (a path that ends in .db), a server, a cluster or a managed one (a URI and a token).

Truth is the gallery on disk; a collection can always be dropped and filled again. So a failed write is reported and
left to `sync`, and nothing here tries to repair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import StoreError
from pipeline.filters import Filter, to_milvus
from pipeline.plugins import Card
from pipeline.records import Rows, SearchHit, VectorStore
from pipeline.schema import NAMES, received
from pipeline.settings import Settings
from pipeline.stores import _index_spec, _rules, _schema, _wire
from pipeline.stores._link import Action, Answer, Link, connect, open_link
from pipeline.stores._lite import clear_half_made, holder
from pipeline.stores._lite_rows import LiteRows
from pipeline.stores._schema import Shape

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CARD", "build", "holder"]

CARD = Card(
    "Milvus: embedded in a file, or a server by URI",
    licence="Apache-2.0",
    source="https://milvus.io",
    requires=("pymilvus",),
    install="pip install pymilvus milvus-lite",
)

Index = Literal["auto", "flat", "hnsw", "autoindex"]

_MAX_IDS = 1_000  # named in one filter
_PAGE_ROWS = 8_192
_MAX_ANSWER_HITS = 100_000  # hits asked for in one call
_FRESH_SECONDS = 10.0  # seconds: how long after a write a server may still show others the state before it


def build(*, uri: str = "", token: str = "", timeout: float = 5.0, index: Index = "auto") -> VectorStore:
    """Open Milvus at `uri`, by default where Settings say.

    timeout: seconds for a search; writes and changes of collections get six times as long.
    index: what collections made by this object get. `auto` is HNSW on a server and, on Lite, a comparison with every
    row: exact, ready at once, and faster than its HNSW, whose engine walks over all ids in Python first (_lite_rows.py).
    Raises StoreLocked when another process holds the Lite file, StoreError when Milvus cannot be reached.
    """
    settings = Settings()
    if not uri:
        uri, token = settings.uri, token or settings.token  # the token belongs to this address only
    link = open_link(uri, connect=lambda where, seconds: connect(where, token, seconds), timeout=timeout)
    return MilvusStore(link, index=index)


class MilvusStore:
    """The VectorStore promises over one connection. Threads may share one."""

    def __init__(self, link: Link, *, index: Index = "auto") -> None:
        self._link = link
        self._usual = index if index != "auto" else "flat" if link.lite else "hnsw"
        self._shapes = link.shapes
        self._written = -_FRESH_SECONDS
        self._closed = False

    def create(self, collection: str, *, dim: int, metadata_keys: Sequence[str] = (), index: str = "") -> None:
        _rules.check_name(collection)
        _rules.check_dim(collection, dim)
        spec = _index_spec.read(index, otherwise=self._usual)
        if self._link.lite:
            _index_spec.check_on_lite(spec, collection.partition("__")[0])
        if not self._is_readable(collection):
            shape = (dim, metadata_keys, spec)
            self._link.loaded.discard(collection)  # a server may have lost one of this name
            if self._link.lite:
                clear_half_made(self._link.place, collection)
            self._change("create", lambda client, seconds: _schema.create(client, collection, *shape, seconds))
        about = self._about(collection, patient=True)
        if about.dim != dim:
            raise StoreError(f"collection {collection!r} holds dim {about.dim}, not {dim}; drop it first")
        if not about.index:  # new, or its making was cut short here
            self._change("index", lambda client, seconds: _schema.add_index(client, about.name, spec, seconds))
            self._about(collection, patient=True)

    def _is_readable(self, collection: str) -> bool:
        """Whether it is there; one that an older Semblance made is taken away."""
        try:
            return self.exists(collection, patient=True) and bool(self._about(collection, patient=True))
        except _schema.OldCollection:
            self.drop(collection)
            return False

    def exists(self, collection: str, *, patient: bool = False) -> bool:
        _rules.check_name(collection)
        if self._link.lite and not patient and collection in self._shapes:
            return True  # nobody else can drop it: this process holds the file's lock, and its own changes clear the shapes
        return self._ask(
            "look up", lambda client, seconds: self._link.has(client, collection, seconds), patient=patient
        )

    def upsert(self, collection: str, rows: Rows) -> None:
        about = self._about(collection, patient=True)
        embeddings = _rules.check_rows(rows, about.dim)
        for batch in _wire.batches(rows, embeddings, about.keys):

            def send(client: Any, seconds: float, batch: list[dict[str, Any]] = batch) -> None:
                client.upsert(about.name, batch, timeout=seconds)

            self._write("upsert", send, about.name, len(batch))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        about = self._about(collection, patient=True)
        for chunk in _wire.chunks(ids, _MAX_IDS):

            def send(client: Any, seconds: float, chunk: Sequence[str] = chunk) -> None:
                client.delete(about.name, filter=_wire.among(chunk), timeout=seconds)

            self._write("delete", send, about.name, len(chunk))

    def search(self, collection: str, queries: np.ndarray, *, k: int, where: Filter) -> list[list[SearchHit]]:
        _rules.check_k(k)
        about = self._about(collection)
        vectors = list(_rules.check_vectors("queries", queries, about.dim))
        if self._compares_here(about):
            return self._of_rows("search", about, lambda rows: rows.search(vectors, k, where))
        # This object sees its own writes at once; a server shows those of others within about 5 s.
        level = "Strong" if time.monotonic() - self._written < _FRESH_SECONDS else "Bounded"
        options: dict[str, Any] = {
            "anns_field": "embedding",
            "filter": to_milvus(_wire.sendable_filter(where)),
            "limit": k,
            "output_fields": list(NAMES),
            "search_params": {"metric_type": "COSINE", "params": about.spec.searched_with(k, filtered=bool(where))},
            "consistency_level": level,
        }
        hits: list[list[SearchHit]] = []
        for chunk in _wire.chunks(vectors, max(1, min(_rules.MAX_K, _MAX_ANSWER_HITS // k))):

            def ask(client: Any, seconds: float, chunk: Sequence[np.ndarray] = chunk) -> Any:
                return client.search(about.name, chunk, timeout=seconds, **options)

            hits += [_wire.hits(answer) for answer in self._ask("search", ask, about.name)]
        return hits

    def embeddings(self, collection: str, ids: Sequence[str]) -> dict[str, np.ndarray]:
        import numpy as np

        about = self._about(collection)
        if self._link.lite:
            return self._of_rows("read", about, lambda rows: rows.embeddings(ids))
        embeddings = {}
        for chunk in _wire.chunks(ids, max(1, min(_MAX_IDS, 1_000_000 // about.dim))):
            for row in self._query(about.name, _wire.among(chunk), ["id", "embedding"], limit=len(chunk)):
                embeddings[received(row["id"])] = np.asarray(row["embedding"], dtype=np.float32)
        return embeddings

    def digests(self, collection: str) -> dict[str, str]:
        about = self._about(collection, patient=True)
        if self._link.lite:
            return self._of_rows("read", about, lambda rows: dict(rows.digests()), patient=True)

        def after(last: str) -> list[dict[str, Any]]:
            # `iterator` asks for the smallest keys first, in order; pymilvus then sends no consistency level
            options: dict[str, Any] = {"patient": True, "limit": _PAGE_ROWS, "iterator": "True"}
            return self._query(about.name, f"id > {_wire.quoted(last)}", ["id", "digest"], **options)

        return _wire.digests(after, _PAGE_ROWS)

    def count(self, collection: str) -> int:
        about = self._about(collection)
        if self._link.lite:
            return self._of_rows("count", about, lambda rows: rows.count())
        return int(self._query(about.name, "", ["count(*)"])[0]["count(*)"])

    def point(self, alias: str, collection: str) -> None:
        _rules.check_name(alias)
        name = self._about(collection, patient=True).name
        if alias in self.collections():
            raise StoreError(f"{alias!r} is a collection and cannot be an alias too; drop it first")

        self._change("point", lambda client, seconds: _schema.point(client, alias, name, seconds))
        self._link.settle(name)  # an ingest or a sync ends here; searches follow

    def describe(self, collection: str) -> dict[str, Any]:
        about = self._about(collection)
        aliases = self._ask("describe", lambda client, seconds: client.list_aliases(about.name, timeout=seconds))
        version = self._ask("describe", lambda client, seconds: client.get_server_version(timeout=seconds))
        return {
            "collection": about.name,
            "rows": self.count(collection),
            "dim": about.dim,
            "index": about.index,
            "settings": about.spec.text,
            "answers": "every row, compared in this process" if self._compares_here(about) else "Milvus",
            "backend": _schema.product(version),
            "place": self._link.place,
            "alias": ", ".join(sorted(aliases["aliases"])),
        }

    def collections(self) -> list[str]:
        return sorted(self._ask("list", lambda client, seconds: client.list_collections(timeout=seconds)))

    def drop(self, collection: str) -> None:
        if not self.exists(collection):
            return

        def drop(client: Any, seconds: float) -> None:
            name = client.describe_collection(collection, timeout=seconds)["collection_name"]
            for alias in client.list_aliases(name, timeout=seconds)["aliases"]:
                client.drop_alias(alias, timeout=seconds)
            client.drop_collection(name, timeout=seconds)
            self._link.loaded.discard(name)
            self._link.forget(name)

        self._change("drop", drop)

    def ping(self) -> None:
        self.collections()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._link.close()

    def _about(self, collection: str, *, patient: bool = False) -> Shape:
        """What `collection` (or the collection an alias names) is; it is loaded, so that it can be searched."""
        shape = self._shapes.get(collection)
        if shape and time.monotonic() < shape.until and (shape.name in self._link.loaded or not shape.index):
            return shape
        if not self.exists(collection, patient=patient):
            raise StoreError(_rules.no_collection(collection, self.collections()))

        lite = self._link.lite
        about = self._ask(
            "describe", lambda *by: _schema.describe(by[0], collection, by[1], for_good=lite), patient=patient
        )
        if about.index and about.name not in self._link.loaded:  # Lite opens collections unloaded
            if not self._compares_here(about):  # else Lite would write and read all embeddings once more
                self._change("load", lambda client, seconds: client.load_collection(about.name, timeout=seconds))
            if self._link.lite:
                self._link.flush(about.name)  # rows that a killed process left in the log
            self._link.loaded.add(about.name)
        self._shapes[collection] = about
        return about

    def _compares_here(self, about: Shape) -> bool:
        """Whether Lite has no index there: its rows lie in this process, which compares them faster than its engine does."""
        return self._link.lite and about.spec.kind == "flat"

    def _of_rows(self, what: str, about: Shape, read: Callable[[LiteRows], Answer], *, patient: bool = False) -> Answer:
        return self._ask(what, lambda *_: read(self._link.rows(about.name)), about.name, patient=patient)

    def _query(
        self, collection: str, expression: str, fields: list[str], *, patient: bool = False, **options: Any
    ) -> list[dict[str, Any]]:
        def ask(client: Any, seconds: float) -> Any:
            return client.query(
                collection,
                filter=expression,
                output_fields=fields,
                consistency_level="Strong",
                timeout=seconds,
                **options,
            )

        return list(self._ask("query", ask, collection, patient=patient))

    def _ask(self, what: str, action: Action[Answer], collection: str = "", *, patient: bool = False) -> Answer:
        self._check_open()
        try:
            return self._link.call(what, action, collection=collection, patient=patient)
        except StoreError:
            self._shapes.clear()
            raise

    def _change(self, what: str, action: Action[Answer]) -> Answer:
        self._check_open()
        try:
            return self._link.change(what, action)
        finally:
            self._shapes.clear()

    def _write(self, what: str, action: Action[Any], collection: str, rows: int) -> None:
        self._check_open()
        try:
            self._link.change(what, action, collection=collection, rows=rows)
        except StoreError:
            self._shapes.clear()
            raise
        finally:
            self._written = time.monotonic()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("this store was closed; build it again")
