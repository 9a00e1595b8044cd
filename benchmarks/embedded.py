"""Milvus Lite with many rows: how fast and how truly one query is answered, plain and under filters.

    python -m benchmarks.embedded [--rows 200000] [--dim 256] [--queries 200] [--home FOLDER] [--engine 5]

Clustered unit embeddings, drawn by a seed, are upserted in parts as `sync` sends them; with --home they are kept, and the
next run only asks. Then queries that are no row ask for 10 hits, one at a time: everything, and labels and prices that
some hundredth of the rows have. Beside them in the same run stand two ceilings, the product of all rows with the query
by NumPy and by faiss, and Lite's own engine (--engine times: it is slow). Wall time p50 and p99, and the processor's
time, which other programs disturb less; the first answer under a filter, which reads it from every row, is shown alone.

Exit code 1 when ann_recall is below 0.99, or p50 or p99 above the bars of 200,000 rows (20 and 60 ms) or, with more, of
1,000,000 (60 and 150 ms).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measuring, scale
from benchmarks.startup import megabytes
from pipeline import filters, plugins
from pipeline.records import Rows, VectorStore

K, RECALL = 10, 0.99
BARS = {200_000: (20.0, 60.0), 1_000_000: (60.0, 150.0)}  # rows at most: p50 and p99 in ms
FILTERS = {
    "everything": [], "label, 1 %": ["label=label 7"], "label, 10 %": ["label=" + ",".join(f"label {n}" for n in range(10))],
    "price, 1 %": ["price<5"], "price, 50 %": ["price<250"],
}  # fmt: skip


def part(vectors: np.ndarray, start: int, size: int) -> Rows:
    rows = scale.part(vectors, start, size)
    numbers = range(start, start + len(rows))
    rows.table["metadata"] = [{"price": f"{number * 7919 % 1000 / 2:.2f}"} for number in numbers]
    return rows


def fill(store: VectorStore, vectors: np.ndarray, size: int) -> float:
    """Seconds; a collection that has as many rows is taken as it is."""
    store.create(scale.NAME, dim=vectors.shape[1], metadata_keys=["price"])
    begun = time.perf_counter()
    if store.count(scale.NAME) != len(vectors):
        for start in range(0, len(vectors), size):
            store.upsert(scale.NAME, part(vectors, start, size))
            if start % 50_000 == 0:
                measuring.say(f"{start:,} rows, {time.perf_counter() - begun:.0f} s")
        store.point("asked", scale.NAME)
    return time.perf_counter() - begun


def timed(ask: Callable[[np.ndarray], Any], queries: np.ndarray) -> tuple[list[float], list[float], list[Any]]:
    """Milliseconds of each, of the clock and of the processor, and the answers."""
    walls, owns, answers = [], [], []
    for query in queries:
        wall, own = time.perf_counter(), time.process_time()
        answers.append(ask(query))
        walls.append(1000 * (time.perf_counter() - wall))
        owns.append(1000 * (time.process_time() - own))
    return walls, owns, answers


def line(name: str, walls: list[float], owns: list[float], recall: str, first: str = "") -> list[str]:
    p50, p99 = (measuring.percentile(walls, share) for share in (50, 99))
    return [name, f"{p50:.1f}", f"{p99:.1f}", f"{measuring.percentile(owns, 50):.1f}", recall, first]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--part", type=int, default=1_000)
    parser.add_argument("--home", type=Path, help="a folder to keep the collection in")
    parser.add_argument("--engine", type=int, default=5, help="queries that Lite's own engine is asked")
    given = parser.parse_args()
    vectors = scale.embeddings(given.rows, given.dim, seed=0)
    queries = scale.embeddings(given.queries, given.dim, seed=0, of=1)
    clock = measuring.Clock()
    with contextlib.ExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embedded-")))
        uri = home / "milvus.db"
        store: Any = plugins.build("stores", "milvus", uri=str(uri), timeout=600.0)
        stack.callback(store.close)
        filled = fill(store, vectors, given.part)
        lines, met = measure(store, vectors, queries, given)
        memory, about = megabytes(os.getpid()), store.describe(scale.NAME)
    load = f"others took {clock.pace(1).others:.0%} of the cores, load {os.getloadavg()[0]:.1f}"
    print(f"{measuring.machine()}; {about['backend']}, answers: {about['answers']}; {load}")
    print(
        f"{given.rows:,} rows of dim {given.dim}, {len(queries)} queries, k = {K}; filled in {filled:.0f} s; {memory:,.0f} MB\n"
    )
    print(measuring.table(["ms", "p50", "p99", "processor, p50", "ann_recall", "first"], lines) + "\n")
    return 0 if met else 1


def measure(
    store: Any, vectors: np.ndarray, queries: np.ndarray, given: argparse.Namespace
) -> tuple[list[list[str]], bool]:
    """The table's lines, and whether every bar is met."""
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    lines = [
        line("ceiling: NumPy's product", *timed(lambda query: vectors @ query, queries)[:2], "1"),
        line("ceiling: faiss, flat", *timed(lambda query: flat.search(query[None], K), queries)[:2], "1"),
    ]
    table = part(vectors, 0, len(vectors)).table
    wanted, met = BARS[min((size for size in BARS if len(vectors) <= size), default=max(BARS))], True
    for name, texts in FILTERS.items():
        where = filters.check(filters.parse(texts), ["price"])
        passing = np.flatnonzero(filters.mask(where, table))

        def ask(query: np.ndarray, where: filters.Filter = where) -> list[int]:
            return [int(hit.id, 16) for hit in store.search(scale.NAME, query[None], k=K, where=where)[0]]

        (first,), _, _ = timed(ask, queries[:1])
        coding = store._link.rows(scale.NAME)._coding
        if coding is not None:
            coding.join()  # before it the answers are the same and slower
        walls, owns, found = timed(ask, queries)
        exact = [set(passing[np.argsort(-(vectors[passing] @ query))[:K]].tolist()) for query in queries[:50]]
        recall = float(np.mean([len(true & set(rows)) / K for true, rows in zip(exact, found, strict=False)]))
        lines.append(line(f"ours: {name}", walls, owns, f"{recall:.4f}", f"{first:.0f}"))
        for share, bar in zip((50, 99), wanted, strict=True):
            met &= measuring.verdict(f"{name}, p{share}", measuring.percentile(walls, share), bar, " ms")
        met &= measuring.verdict(f"{name}, ann_recall", recall, RECALL, at_least=True)
    if given.engine:
        lines.append(line("Lite's own engine: everything", *engine(store, queries[: given.engine + 1]), "1"))
    return lines, met


def engine(store: Any, queries: np.ndarray) -> tuple[list[float], list[float]]:
    """What Lite's own search takes, without its server: its engine asked in this process."""
    collection = store._link.rows(scale.NAME).collection
    collection._load_state = "loaded"  # not by load(), which writes all embeddings to the disk once more

    def ask(query: np.ndarray) -> Any:
        return collection.search(
            [query.tolist()], top_k=K, output_fields=["id", "path", "label"], anns_field="embedding"
        )

    walls, owns, _ = timed(ask, queries)
    return walls[1:], owns[1:]


if __name__ == "__main__":
    raise SystemExit(main())
