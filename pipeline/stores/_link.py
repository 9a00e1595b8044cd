"""One open connection to Milvus: shared per Lite file, timed on every call, with errors a person can act on."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import StoreError
from pipeline.stores import _lite
from pipeline.stores._lite_rows import LiteRows
from pipeline.stores._schema import Shape

if TYPE_CHECKING:
    from filelock import BaseFileLock

Answer = TypeVar("Answer")
Action = Callable[[Any, float], Answer]
"""action(client, seconds): one or more calls of MilvusClient, each with timeout=seconds."""

_MAX_UNFLUSHED = 2_000  # rows: Lite searches its unflushed rows 10 times slower than flushed ones (measured)
_MIN_FLUSHED = 200  # rows: fewer may wait, they cost a search under 15 ms, and a flush leaves a file behind
_WRITE_FACTOR = 6  # a write gets this many times the timeout of a search

_opening = threading.RLock()  # Lite breaks when two threads open one file at once; taken before a link's turn
_importing = threading.Lock()
_lite_links: dict[Path, Link] = {}


def open_link(uri: str, *, connect: Callable[[str, float], Any], timeout: float) -> Link:
    """A connection to `uri`; of a Lite file there is one for the process, and a lock that keeps other processes out.

    connect(uri, timeout) makes a MilvusClient. Raises StoreLocked within 0.2 s, StoreError within the timeout, of Lite
    within that of a write.
    """
    if "://" in uri:
        remote = Link(uri, None, connect=connect, timeout=timeout)
        remote.call("connect", lambda client, seconds: client.list_collections(timeout=seconds))
        return remote
    if not uri.endswith(".db"):
        raise StoreError(f"cannot read the Milvus address {uri!r}; write http://HOST:19530, or a path ending in .db")
    path = Path(uri).expanduser().resolve()
    with _opening:
        link = _lite_links.get(path)
        if link is None:
            link = Link(str(path), _lite.take(path), connect=connect, timeout=timeout)
            try:
                # after a kill Lite replays its log first: 5 s for 8,000 rows on a busy machine
                link.call("open", lambda client, seconds: client.list_collections(timeout=seconds), patient=True)
            except StoreError:
                link.shut()
                raise
            _lite_links[path] = link
        link.users += 1
        return link


class Link:
    """A client that is made when needed, and again after a failed write on Lite.

    On Lite one call runs at a time: the engine hides rows while it flushes, shares one `ef` among all queries, and is
    Python under one interpreter lock, so that four threads are no faster than one (measured).
    """

    def __init__(
        self, uri: str, lock: BaseFileLock | None, *, connect: Callable[[str, float], Any], timeout: float
    ) -> None:
        self.lite = lock is not None
        self.place = uri if self.lite else re.sub(r"//[^/@]*@", "//", uri)
        self.loaded: set[str] = set()  # collections that were loaded through this client
        self.shapes: dict[str, Shape] = {}  # by the name that was asked for; who changes a collection clears it
        self.users = 0
        self._uri = uri
        self._lock = lock
        self._connect = connect
        self._timeout = timeout
        self._client: Any = None
        self._turn = threading.RLock()
        self._unflushed: Counter[str] = Counter()
        self._changes = 0
        self._rows: dict[str, LiteRows] = {}

    def call(self, what: str, action: Action[Answer], *, collection: str = "", patient: bool = False) -> Answer:
        """What `action` returns, within the timeout of a search. On Lite `collection` is flushed first if it is due.

        patient: within that of a write, for a look that a write or a comparison needs.
        """
        seconds = self._timeout * (_WRITE_FACTOR if patient else 1)
        with self._one_at_a_time(what, seconds):
            if self.lite and self._unflushed[collection] >= _MAX_UNFLUSHED:
                self.flush(collection)
            with self._explained(what, seconds):
                return action(self._opened(), seconds)

    def change(self, what: str, action: Action[Answer], *, collection: str = "", rows: int = 0) -> Answer:
        """Like `call` for a write of `rows` rows, with six times the timeout; a failure on Lite reopens the file."""
        seconds = self._timeout * _WRITE_FACTOR
        with self._one_at_a_time(what, seconds):
            self._changes += 1
            try:
                with self._explained(what, seconds):
                    answer = action(self._opened(), seconds)
            except StoreError as problem:
                if self.lite:
                    self._abandon()
                    raise StoreError(f"{problem}. {self._repair}") from problem.__cause__
                raise
            self._unflushed[collection] += rows
            return answer

    def rows(self, collection: str) -> LiteRows:
        """Of Lite, what a collection holds now. Only in an action of `call`, whose turn keeps writes away meanwhile."""
        found = _lite.engine(Path(self._uri)).get_collection(collection)
        if collection not in self._rows or self._rows[collection].collection is not found:  # made anew
            self._rows[collection] = LiteRows(found)
        self._rows[collection].refresh(self._changes)
        return self._rows[collection]

    def has(self, client: Any, collection: str, seconds: float) -> bool:
        """Whether there is such a collection or alias; in an action of `call`. Lite's engine says it in no time, its server in 2 ms."""
        if self.lite:
            return bool(_lite.engine(Path(self._uri)).has_collection(collection))
        return bool(client.has_collection(collection, timeout=seconds))

    def forget(self, collection: str) -> None:
        """After it was dropped."""
        self._rows.pop(collection, None)

    def flush(self, collection: str) -> None:
        """Move rows from the log into segments of their own. On Lite only ever after writes that all succeeded."""
        self.change("flush", lambda client, seconds: client.flush(collection, timeout=seconds))
        self._unflushed[collection] = 0

    def settle(self, collection: str) -> None:
        """At the end of a run of writes: flush, unless a few rows at most wait for it.

        A server gives its index to flushed rows only, and flushes by itself only what is large or old: until then a
        search misses hits that are there (30,000 rows: ann_recall 0.79 before and 0.998 after).
        """
        if self._unflushed[collection] < _MIN_FLUSHED:
            return
        try:
            self.flush(collection)
        except StoreError:
            if self.lite:
                raise  # a server has the rows in its log and flushes later

    def close(self) -> None:
        """Give up one use; the last one closes."""
        with _opening:
            self.users -= 1
            if self.users < 1:
                self.shut()

    def shut(self) -> None:
        with _opening, self._turn:
            if self._client is not None:
                with suppress(Exception):  # a channel that is broken is as good as closed
                    self._client.close()
            self._client = None
            self._rows.clear()
            if self._lock is not None:
                _lite.release(Path(self._uri))
                self._lock.release()
                _lite_links.pop(Path(self._uri), None)

    def _opened(self) -> Any:
        if self._client is None:
            self._client = self._connect(self._uri, self._timeout * (_WRITE_FACTOR if self.lite else 1))
        return self._client

    def _abandon(self) -> None:
        with suppress(Exception):  # the client only carries a channel; the engine is what must stop
            self._client.close()
        self._client = None
        self.loaded.clear()
        self.shapes.clear()
        self._rows.clear()
        self._unflushed.clear()
        _lite.abandon(Path(self._uri))

    @contextmanager
    def _one_at_a_time(self, what: str, seconds: float) -> Iterator[None]:
        if not self.lite:
            yield
            return
        if not self._turn.acquire(timeout=seconds):
            raise StoreError(f"{self.place} is still busy with another request after {seconds:g} s; {what} again later")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _explained(self, what: str, seconds: float) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        # pymilvus raises MilvusException, bare grpc errors and, on closed channels, ValueError: all are explained here.
        except Exception as problem:
            raise StoreError(self._sentence(what, seconds, problem)) from problem

    def _sentence(self, what: str, seconds: float, problem: Exception) -> str:
        text = _reason(problem)
        whole = f"{text} {problem.__cause__ or ''}"  # of a refusal at connecting, pymilvus says "server unavailable"
        if isinstance(problem, ModuleNotFoundError):
            return f"{problem.name} is not installed: pip install pymilvus milvus-lite"
        if any(sign in text for sign in ("DEADLINE_EXCEEDED", "Deadline Exceeded", "timeout", "Timeout")):
            return (
                f"Milvus at {self.place} did not answer within {seconds:g} s ({what}); it is overloaded or frozen: "
                "look at its log or restart it. Nothing is lost"
            )
        if any(sign in whole for sign in ("UNAUTHENTICATED", "PERMISSION_DENIED", "auth check failure")):
            return (
                f"Milvus at {self.place} refuses the user or password ({what}): check SEMBLANCE_MILVUS_TOKEN, "
                "user:password or a managed service's key"
            )
        if any(sign in text for sign in ("UNAVAILABLE", "Fail connecting", "closed channel", "CANCELLED")):
            return (
                f"cannot reach Milvus at {self.place}; start it, or unset SEMBLANCE_MILVUS_URI to use the embedded one"
            )
        if _lite.CANNOT_OPEN in text:
            return f"cannot open {self.place}; {self._repair}"
        return f"Milvus at {self.place} refused to {what}: {text}"

    @property
    def _repair(self) -> str:
        return (
            "Free disk space if there is none and run `python -m pipeline sync NAME`; if that does not help, move "
            f"{Path(self._uri).name} away and run it again: the gallery on disk fills a new one"
        )


def _reason(problem: Exception) -> str:
    """One line of what pymilvus or grpc says: the message without addresses in memory and call stacks."""
    code = getattr(problem, "code", "")
    name = getattr(code() if callable(code) else code, "name", "")
    details = getattr(problem, "details", None)
    text = details() if callable(details) else getattr(problem, "message", "") or str(problem)
    return " ".join(f"{name} {text}".split())[:300]


def connect(uri: str, token: str, timeout: float) -> Any:
    """A MilvusClient that is silent and reads no .env."""
    with no_dotenv():
        from pymilvus import MilvusClient

    # they print a stack for every error that we raise as one sentence, and for every call that Lite lacks
    for name in ("pymilvus", "milvus_lite", "grpc._server"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Lite's server ends a connection that is pinged more often than every 5 minutes ("too_many_pings")
    lite = uri.endswith(".db")
    quiet = {"grpc.keepalive_time_ms": 600_000} if lite else {}
    where = _lite.address(Path(uri)) if lite else uri
    return MilvusClient(where, token=token, timeout=timeout, dedicated=True, grpc_options=quiet)


@contextmanager
def no_dotenv() -> Iterator[None]:
    """pymilvus reads a .env file when it is imported; our settings come from the environment alone."""
    with _importing:
        before = os.environ.get("PYTHON_DOTENV_DISABLED")
        os.environ["PYTHON_DOTENV_DISABLED"] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHON_DOTENV_DISABLED"]
            else:
                os.environ["PYTHON_DOTENV_DISABLED"] = before
