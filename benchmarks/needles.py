"""How long many needles take against a large gallery of objects: one batch on Milvus Lite, and exactly with NumPy.

    python -m benchmarks.needles [--rows 100000] [--dim 384] [--needles 100] [--k 100] [--rounds 5]

The rows are regions: ten of each picture. In one process, asked in turn so that noise falls on all alike:

store   store.search on the embedded Milvus: checked, hits made
exact   the same on the `exact` store, rows in memory
numpy   queries @ rows.T and the k best of each: the least that it can cost

Bar: a batch on Milvus Lite at most 2 s (median). Exit code 1 when it is missed. Each way's first k are compared with
NumPy's.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import measuring
from pipeline import plugins
from pipeline.errors import StoreError
from pipeline.filters import Filter
from pipeline.ingest import sync
from pipeline.records import Rows, VectorStore
from pipeline.settings import Settings

BAR = 2.0  # seconds
PARTS = 10  # of each picture
GROUPS = 500  # the embeddings lie around so many centres, as those of real objects do
BATCH, ATTEMPTS = 1000, 10


def drawn(n: int, dim: int, centres: np.ndarray, random: np.random.Generator) -> np.ndarray:
    made = centres[random.integers(0, len(centres), n)] + random.normal(0, 0.8, (n, dim)) / dim**0.5
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def rows_of(embeddings: np.ndarray, start: int) -> Rows:
    import pandas as pd

    numbers = range(start, start + len(embeddings))
    table = pd.DataFrame({"id": [f"{number:032x}" for number in numbers]})
    table["parent"] = [f"{2**64 + number // PARTS:032x}" for number in numbers]
    table["box"] = [f"{number % PARTS},0,64,64" for number in numbers]
    table["path"] = [f"{number // PARTS:06d}.jpg" for number in numbers]
    table["label"] = [f"label {number % 20}" for number in numbers]
    table["split"] = "haystack"
    table["width"] = table["height"] = 64
    table["metadata"] = [{"number": str(number)} for number in numbers]
    return Rows(table, embeddings)


def fill(store: VectorStore, embeddings: np.ndarray) -> float:
    begun = time.perf_counter()
    store.create("needles", dim=embeddings.shape[1], metadata_keys=["number"])
    for start in range(0, len(embeddings), BATCH):
        rows = rows_of(embeddings[start : start + BATCH], start)
        for attempt in range(ATTEMPTS):
            try:
                store.upsert("needles", rows)
                break
            except StoreError as error:  # a busy machine; filling is not what is measured
                measuring.say(f"{start:,} rows in: {error}")
                if attempt == ATTEMPTS - 1:
                    raise
    return time.perf_counter() - begun


def plain(queries: np.ndarray, embeddings: np.ndarray, k: int) -> np.ndarray:
    """(n, k) row numbers, best first."""
    scores = queries @ embeddings.T
    best = np.argpartition(-scores, k, axis=1)[:, :k]
    order = np.take_along_axis(-scores, best, axis=1).argsort(axis=1)
    return np.take_along_axis(best, order, axis=1)


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, infinite where a store gives up, and what came back."""
    begun = time.perf_counter()
    try:
        answer = action()
    except StoreError as error:
        measuring.say(str(error))
        return math.inf, []
    return time.perf_counter() - begun, answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("rows", 100_000), ("dim", 384), ("needles", 100), ("k", 100), ("rounds", 5), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    random = np.random.default_rng(asked.seed)
    centres = random.normal(0, 1, (GROUPS, asked.dim)) / asked.dim**0.5
    embeddings, queries = (drawn(n, asked.dim, centres, random) for n in (asked.rows, asked.needles))
    with tempfile.TemporaryDirectory() as home:
        os.environ["SEMBLANCE_HOME"] = home  # of this process alone
        with contextlib.closing(sync.open_store(Settings())) as lite:
            exact: VectorStore = plugins.build("stores", "exact")
            for name, store in (("store", lite), ("exact", exact)):
                measuring.say(f"{name}: filled in {fill(store, embeddings):.0f} s")
            index = lite.describe("needles")["index"]
            ways: dict[str, Callable[[], Any]] = {
                "store": lambda: lite.search("needles", queries, k=asked.k, where=Filter()),
                "exact": lambda: exact.search("needles", queries, k=asked.k, where=Filter()),
                "numpy": lambda: plain(queries, embeddings, asked.k),
            }
            taken: dict[str, list[float]] = {name: [] for name in ways}
            found: dict[str, Any] = {}
            clock = measuring.Clock()
            for turn in range(-1, asked.rounds):  # the first warms everything up
                for name, way in ways.items():
                    seconds, found[name] = timed(way)
                    taken[name] += [seconds] if turn >= 0 else []
            others = clock.pace(1).others
    truth = [{f"{row:032x}" for row in rows} for rows in found["numpy"].tolist()]
    middle = {name: statistics.median(values) for name, values in taken.items()}
    table = [
        (name, f"{middle[name]:.3f}", f"{max(taken[name]):.3f}", f"{middle[name] / middle['numpy']:.1f}")
        for name in ways
    ]
    print(
        f"\n{asked.rows:,} parts, dim {asked.dim}, {asked.needles} needles, k {asked.k}, index {index}, {asked.rounds} "
        f"rounds, seed {asked.seed}; others took {others:.0%}\n"
    )
    print(measuring.table(("", "median, s", "slowest, s", "times NumPy"), table))
    for name in (name for name in ("store", "exact") if found[name]):
        shares = [len({hit.id for hit in hits} & true) / asked.k for hits, true in zip(found[name], truth, strict=True)]
        print(f"{name}: ann_recall {statistics.mean(shares):.4f}")
    return int(not measuring.verdict("a batch on Milvus Lite, median", middle["store"], BAR, " s"))


if __name__ == "__main__":
    sys.exit(main())
