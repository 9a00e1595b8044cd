"""What a re-ranker, and an order by aspect, add to a plain search in Milvus Lite: a gallery of made-up embeddings.

    python -m benchmarks.rerank_time [--rows 4000 100000] [--dim 256] [--rounds 60]

A re-ranker looks at rows in memory, as the app lets it (`--store`: at those in the store). Rows lie around a centre for each 50 of them. The same pictures ask for 24 others by score and by each way in turn, so that
noise falls on all alike. Printed: milliseconds of the whole search, p50 and p95; what the way adds to the plain search
of the same picture, p50; their ratio; and what it adds in processor time, which other programs disturb less. The bars are 5 ms added at 4,000 rows and 15 ms at 100,000, of re-rankers. Colours
and textures are made up too, as the first search by aspect keeps them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import measuring
from pipeline import plugins, schema
from pipeline.gallery import appearances, calibration
from pipeline.gallery.appearances import Appearances
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.gallery.ranking import NONE
from pipeline.ingest import sync
from pipeline.records import Rows, VectorStore
from pipeline.search.search import Query, search
from pipeline.settings import Settings

PART, EACH, K = 1000, 50, 24
BARS = {4_000: 5.0, 100_000: 15.0}  # ms added, p50
ASPECTS = ("colour=1", "colour=1,meaning=1")


def made(name: str, n: int, dim: int, store: VectorStore) -> Gallery:
    """A gallery of n rows without pictures, filled into the store."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(n // EACH, dim))
    gallery = create_gallery(name, Settings())
    with gallery.writing():
        short = gallery.add_encoder("raw_pixels", "0" * 64, dim)
        store.create(gallery.collection(short), dim=dim)
        for start in range(0, n, PART):
            count = min(PART, n - start)
            vectors = centres[random.integers(len(centres), size=count)] + 0.8 * random.normal(size=(count, dim))
            vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
            texts = [f"{i:032x}" for i in range(start, start + count)]
            columns = {column.name: [column.type.python()] * count for column in schema.COLUMNS}
            rows = Rows(schema.table(columns | {"id": texts, "path": texts}), vectors)
            gallery.commit(short, rows)
            store.upsert(gallery.collection(short), rows)
        calibration.refresh(gallery, short)
    sync.sync(gallery, store)
    return gallery


def looks(gallery: Gallery) -> Appearances:
    random, rows = np.random.default_rng(1), gallery.rows()
    coded = {
        name: random.integers(0, 120, size=(len(rows), dim), dtype=np.uint8) for name, dim in appearances.DIMS.items()
    }
    return Appearances(rows, coded, {name: np.linspace(0, 1, 1001).tolist() for name in coded}, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=list(BARS))
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--store", action="store_true", help="re-rank with rows of the store, as the command line does")
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory(prefix="rerank-time-") as folder:
        os.environ["SEMBLANCE_HOME"] = str(Path(folder))
        table = []
        with contextlib.closing(sync.open_store(Settings())) as store:
            for n in given.rows:
                gallery = made(f"rows_{n}", n, given.dim, store)
                measuring.say(f"{n:,} rows are in")
                rows = None if given.store else sync.exact_store(gallery)
                seen, ids = looks(gallery), gallery.table()["id"].tolist()
                ways = [{"rerank": name} for name in plugins.available("rerank")] + [
                    {"aspects": one} for one in ASPECTS
                ]
                spent: dict[str, list[float]] = {next(iter(way.values())): [] for way in ways}
                worked: dict[str, list[float]] = {name: [] for name in spent}
                clock = measuring.Clock()
                for turn in range(-5, given.rounds):  # the first five warm everything up
                    query = Query(ids=(ids[(turn * 7919) % n],))
                    for way in ways:
                        begun, before = time.perf_counter(), time.process_time()
                        options = {"rerank": NONE} | way
                        search(
                            gallery,
                            store,
                            None,
                            query,
                            k=K,
                            appearances=seen,
                            at_hand=lambda rows=rows: rows,
                            **options,
                        )  # type: ignore[arg-type]
                        if turn >= 0:
                            spent[next(iter(way.values()))].append(1000 * (time.perf_counter() - begun))
                            worked[next(iter(way.values()))].append(1000 * (time.process_time() - before))
                others = clock.pace(1).others
                for name, times in spent.items():
                    added, processor = (
                        statistics.median(one - plain for one, plain in zip(of[name], of[NONE], strict=True))
                        for of in (spent, worked)
                    )
                    ratio = statistics.median(times) / statistics.median(spent[NONE])
                    bar = BARS.get(n) if name not in ASPECTS and name != NONE else None
                    missed |= bar is not None and added > bar
                    table.append(
                        (
                            f"{n:,}", name, f"{statistics.median(times):.1f}", f"{measuring.percentile(times, 95):.1f}",
                            f"{added:+.1f}" if name != NONE else "", f"{ratio:.1f}", f"{processor:+.1f}" if name != NONE else f"({statistics.median(worked[name]):.1f})",
                            "" if bar is None else f"{bar:g} ms {'missed' if added > bar else 'met'}", f"{others:.0%}",
                        )
                    )  # fmt: skip
    print(measuring.machine())
    heading = ("rows", "way", "p50 ms", "p95 ms", "added, p50", "times plain", "processor, added", "bar", "others")
    print(measuring.table(heading, table))
    sys.exit(missed)


if __name__ == "__main__":
    main()
