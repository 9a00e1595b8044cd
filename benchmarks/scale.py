"""A large collection through our store: how fast it fills, what it takes in memory, how fast and how truly it answers.

    python -m benchmarks.scale [--store server|lite] [--rows N] [--dim 128] [--part 1000] [--queries 500]

Clustered unit embeddings, drawn by a seed, are upserted in parts as `sync` sends them; by default 1,000,000 into the
real server and 200,000 into Milvus Lite. Beside it, in the same run, pymilvus alone inserts and upserts a smaller share
of the same batches, made before, into a collection of its own: the ceiling. Then rows are counted, the index is waited
for (the server says how many rows it covers), and queries that are no row ask for 10 hits, one at a time and 100 at a
time; the truth is a matrix product. At last Milvus is ended and started again (Lite: closed and opened), and the time
until the first answer is taken. Exit code 1 when ann_recall misses its bar: 0.95 on the server, 1 on Lite.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import measuring
from benchmarks.milvus_process import MilvusProcess
from benchmarks.startup import megabytes
from pipeline import plugins
from pipeline.errors import StoreError
from pipeline.filters import Filter
from pipeline.metrics import ann, retrieval
from pipeline.records import Rows, VectorStore
from pipeline.stores._link import connect

if TYPE_CHECKING:
    import numpy as np

NAME = "scale"
K = 10
ROWS = {"server": 1_000_000, "lite": 200_000}
BAR = {"server": 0.95, "lite": 1.0}
CLUSTERS = 2_000
SPREAD = 0.9  # length of the noise beside a centre of length 1: two rows of a cluster have a cosine of about 0.55
CEILING = 20_000  # rows that pymilvus alone sends
PATIENCE = 60.0  # seconds for a search: 100 queries over every row of Lite take longer than the usual 5
SETTLED = 180.0  # seconds without change: rows that wait in a growing segment come later, or never
NEARLY = 0.97  # of the rows: the last segment may wait


@dataclass(frozen=True)
class Place:
    """One Milvus: its address, the process to weigh, and how to end and start it again."""

    uri: str
    pid: Callable[[], int]
    again: Callable[[], None]


@contextlib.contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    if kind == "lite":
        yield Place(str(folder / "scale.db"), os.getpid, lambda: None)
        return
    server = MilvusProcess(folder)
    try:
        server.start()

        def again() -> None:
            server.kill()  # it does not end by SIGTERM within 2 minutes
            server.start()

        yield Place(server.uri, lambda: server.process.pid, again)
    finally:
        server.stop()


def embeddings(n: int, dim: int, *, seed: int, of: int = 0) -> np.ndarray:
    """(n, dim) unit length around centres that depend on the seed alone; `of`: another draw around the same."""
    import numpy as np

    centres = np.random.default_rng(seed).standard_normal((CLUSTERS, dim), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    chance = np.random.default_rng((seed, 1 + of))
    made = chance.standard_normal((n, dim), dtype=np.float32)
    made *= np.float32(SPREAD / dim**0.5)
    made += centres[chance.integers(0, CLUSTERS, n)]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def part(vectors: np.ndarray, start: int, size: int) -> Rows:
    """Rows as a gallery of photos has them; the id is the row's number."""
    import pandas as pd

    numbers = range(start, min(start + size, len(vectors)))
    table = pd.DataFrame({"id": [f"{number:032x}" for number in numbers], "parent": "", "box": ""})
    table["path"] = [f"folder{number % 97:02d}/photo{number:08d}.jpg" for number in numbers]
    table["label"] = [f"label {number % 97}" for number in numbers]
    table["split"], table["width"], table["height"] = "train", 640, 480
    table["metadata"] = [{} for _ in numbers]
    return Rows(table, vectors[start : start + size])


def fill(store: VectorStore, vectors: np.ndarray, size: int) -> tuple[float, float]:
    """Rows a second, over the first CEILING rows and over all; making the tables is not counted."""
    taken, early = 0.0, 0.0
    store.create(NAME, dim=vectors.shape[1])
    for start in range(0, len(vectors), size):
        rows = part(vectors, start, size)
        begun = time.perf_counter()
        store.upsert(NAME, rows)
        taken += time.perf_counter() - begun
        sent = start + len(rows)
        early = early or (sent / taken if sent >= min(CEILING, len(vectors)) else 0.0)
        if sent % 50_000 < size:
            measuring.say(f"{sent:,} rows, {sent / taken:,.0f} a second")
    return early, len(vectors) / taken


def alone(uri: str, index: str, vectors: np.ndarray, size: int) -> dict[str, float]:
    """Rows a second of pymilvus' own insert and upsert, each into a fresh collection of the same schema and index."""
    from pipeline.stores import _index_spec, _schema, _wire

    client = connect(uri, "", 30)

    batches = []
    for start in range(0, min(CEILING, len(vectors)), size):
        rows = part(vectors, start, size)
        batches += list(_wire.batches(rows, rows.embeddings, ()))
    rates = {}
    for verb in ("insert", "upsert"):
        name, spec = f"alone_{verb}", _index_spec.read(index)
        _schema.create(client, name, vectors.shape[1], (), spec, 30)
        _schema.add_index(client, name, spec, 30)
        client.load_collection(name, timeout=30)
        begun = time.perf_counter()
        for batch in batches:
            getattr(client, verb)(name, batch, timeout=30)
        rates[verb] = sum(map(len, batches)) / (time.perf_counter() - begun)
        client.drop_collection(name, timeout=600)  # Lite flushes it first
    client.close()
    return rates


def until_counted(store: VectorStore, n: int) -> float:
    begun = time.perf_counter()
    while store.count(NAME) != n:
        time.sleep(0.2)
    return time.perf_counter() - begun


def until_indexed(client: Any, n: int) -> tuple[float, str]:
    """Seconds until the index has nearly all n rows, or stands still for SETTLED seconds, and how many it has."""
    begun = changed = time.perf_counter()
    known = -1
    while known < NEARLY * n and time.perf_counter() - changed < SETTLED:
        said = client.describe_index(NAME, "embedding", timeout=30)
        if (now := int(said["indexed_rows"])) != known:
            known, changed = now, time.perf_counter()
            measuring.say(f"{now:,} rows indexed")
        time.sleep(1)
    return changed - begun, f"{known:,} rows"


def answers(store: VectorStore, queries: np.ndarray, *, at_once: int) -> tuple[list[float], np.ndarray]:
    """Milliseconds of each call, and (q, K) numbers of the rows found, -1 for nothing."""
    import numpy as np

    taken, found = [], np.full((len(queries), K), -1, dtype=np.int64)
    for start in range(0, len(queries), at_once):
        begun = time.perf_counter()
        lists = store.search(NAME, queries[start : start + at_once], k=K, where=Filter())
        taken.append((time.perf_counter() - begun) * 1000)
        for number, hits in enumerate(lists, start):
            found[number, : len(hits)] = [int(hit.id, 16) for hit in hits]
    return taken, found


def first_answer(uri: str, query: np.ndarray) -> tuple[float, VectorStore]:
    """Seconds until a new connection gives K hits, and that connection."""
    begun = time.perf_counter()
    while True:
        try:
            store: VectorStore = plugins.build("stores", "milvus", uri=uri, timeout=PATIENCE)
            if len(store.search(NAME, query[None], k=K, where=Filter())[0]) == K:
                return time.perf_counter() - begun, store
        except StoreError as error:  # it is loading
            measuring.say(str(error))
        time.sleep(0.2)


def measure(kind: str, where: Place, vectors: np.ndarray, queries: np.ndarray, size: int) -> tuple[list[Any], float]:
    """The table's lines, and ann_recall."""
    index = {"server": "hnsw", "lite": "flat"}[kind]
    bare = alone(where.uri if kind == "server" else where.uri.replace(".db", "_alone.db"), index, vectors, size)
    before = megabytes(where.pid())
    clock = measuring.Clock()
    store: VectorStore = plugins.build("stores", "milvus", uri=where.uri, timeout=PATIENCE)
    exact, _ = retrieval.nearest(queries, vectors, k=K)
    early, rate = fill(store, vectors, size)
    counted = until_counted(store, len(vectors))
    store.point("scaled", NAME)  # as a sync ends

    def recall_of(found: np.ndarray) -> float:
        return float(ann.ann_recall(found, ann.true_scores(queries, vectors, found), exact).mean())

    early_recall = recall_of(answers(store, queries, at_once=1)[1])
    waited, covered = (
        until_indexed(connect(where.uri, "", 30), len(vectors)) if kind == "server" else (0.0, "needs none")
    )
    full = megabytes(where.pid())
    single, found = answers(store, queries, at_once=1)
    several, _ = answers(store, queries, at_once=100)
    searched = megabytes(where.pid())
    recall = recall_of(found)
    version = store.describe(NAME)
    store.close()
    begun = time.perf_counter()
    where.again()
    started = time.perf_counter() - begun
    answered, store = first_answer(where.uri, queries[0])
    cold, _ = answers(store, queries[:100], at_once=1)
    store.close()
    lines = [
        ("backend, index", f"{version['backend']}, {version['index']}"),
        ("rows × dim", f"{len(vectors):,} × {vectors.shape[1]}"),
        (f"upsert through our store, parts of {size:,}", f"{rate:,.0f} rows/s"),
        (f"the same, first {min(CEILING, len(vectors)):,} rows", f"{early:,.0f} rows/s"),
        ("pymilvus alone, the same batches: upsert", f"{bare['upsert']:,.0f} rows/s"),
        ("pymilvus alone, the same batches: insert", f"{bare['insert']:,.0f} rows/s"),
        ("every row counted, after the last was sent", f"{counted:.1f} s"),
        (f"ann_recall at {K}, at once", f"{early_recall:.4f}"),
        ("index built, after that", f"{waited:.0f} s ({covered})"),
        ("memory before, filled, after the searches", f"{before:,.0f}, {full:,.0f}, {searched:,.0f} MB"),
        (f"search k={K}, {len(single)} one at a time, p50 and p99", _two(single)),
        (f"search k={K}, 100 in one call, p50 of {len(several)} calls", f"{statistics.median(several):.1f} ms"),
        (f"ann_recall at {K}, index built", f"{recall:.4f}"),
        ("started again", f"{started:.1f} s" if kind == "server" else "(closed and opened)"),
        ("first answer after that", f"{answered:.1f} s"),
        ("then, 100 one at a time, p50 and p99", _two(cold)),
        ("cores that other programs took, Milvus among them", f"{clock.pace(1).others:.0%}"),
    ]
    return lines, recall


def _two(milliseconds: list[float]) -> str:
    return " and ".join(f"{measuring.percentile(milliseconds, share):.1f} ms" for share in (50, 99))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=tuple(ROWS), default="server")
    parser.add_argument("--rows", type=int, default=0, help="1,000,000 on a server, 200,000 on Lite")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--part", type=int, default=1_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    vectors = embeddings(asked.rows or ROWS[asked.store], asked.dim, seed=asked.seed)
    queries = embeddings(asked.queries, asked.dim, seed=asked.seed, of=1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, place(asked.store, Path(folder)) as where:
        lines, recall = measure(asked.store, where, vectors, queries, asked.part)
    print(measuring.table(("what", "measured"), lines), flush=True)
    return int(not measuring.verdict("ann_recall", recall, BAR[asked.store], at_least=True))


if __name__ == "__main__":
    sys.exit(main())
