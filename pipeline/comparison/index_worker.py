"""One index measured in a process of its own, so that one that crashes, hangs or eats memory harms no other.

    python -m pipeline.comparison.index_worker REQUEST.json

The request, which compare_indexes writes: spec, embeddings and queries (files of NumPy), k, threads, seed, seconds
(what a single setting may take), out (a folder). Each finished setting is a line of out/results.jsonl and its answers
out/found-N.npy; a failure that Python survives is a line with `error`. What a library prints goes where it likes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline import plugins
from pipeline.errors import SemblanceError
from pipeline.records import AnnIndex

NOOP = "noop"  # no plugin: what the measuring itself costs
_WARM = 64  # rows of a first small index: libraries and threads are there before anything is timed
_MIN_QUERIES = 10  # queries that are timed, however long each takes
_ROUNDS = 3


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    out = Path(request["out"])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # what is open is closed on the way out
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # when memory runs out it is this process that ends, not the app
    with (out / "results.jsonl").open("w", encoding="utf-8") as results:

        def say(line: dict[str, Any]) -> None:
            results.write(json.dumps(line) + "\n")
            results.flush()

        try:
            measure(request, out, say)
        except SemblanceError as error:
            say({"error": str(error)})
        except MemoryError:
            say({"error": "out of memory"})
        except Exception as error:  # any library's: the row says it and the comparison goes on
            say({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
    sys.stdout.flush()
    os._exit(0)  # a library that breaks while it is taken down has given its figures already


def measure(request: dict[str, Any], out: Path, say: Any) -> None:
    embeddings, queries = np.load(request["embeddings"]), np.load(request["queries"])
    built = _built(request)
    with contextlib.closing(_built(request)) as small:
        small.add(embeddings[:_WARM])
        small.search(queries[:1], k=1)
    before = resident_bytes()
    with contextlib.closing(built):
        begun = time.perf_counter()
        built.add(embeddings)
        build_seconds = time.perf_counter() - begun
        built.search(queries[:1], k=request["k"])
        after = resident_bytes()
        about = {
            "grows": built.grows,
            "build_seconds": build_seconds,
            "megabytes": None if before is None or after is None else max(0, after - before) / 1e6,
        }
        for number, settings in enumerate(built.sweep):
            if settings:
                built.tune(**settings)
            figures, rows = timed(built, queries, k=request["k"], seconds=request["seconds"])
            np.save(out / f"found-{number}.npy", rows)
            say(about | {"settings": settings, "found": f"found-{number}.npy"} | figures)
        say({"bytes_on_disk": built.size_on_disk()})  # last: Annoy reads from the file after it is saved


def timed(index: AnnIndex, queries: np.ndarray, *, k: int, seconds: float) -> tuple[dict[str, Any], np.ndarray]:
    """Figures, and the (q, k) rows of the batch: q is smaller than asked where all would take longer than `seconds`.

    Singly: one query a call, until a quarter of the time is gone. Then all in one call, the middle of three rounds.
    """
    index.search(queries[:1], k=k)
    taken: list[float] = []
    until = time.perf_counter() + seconds / 4
    for query in queries:
        begun = time.perf_counter()
        index.search(query[None], k=k)
        ended = time.perf_counter()
        taken.append(ended - begun)
        if ended > until and len(taken) >= _MIN_QUERIES:
            break
    some = queries[: max(_MIN_QUERIES, int(seconds / 2 / statistics.fmean(taken)))]
    while True:
        once, rows = _batch(index, some, k)
        if len(some) == len(queries) or 8 * once > seconds:
            break
        some = queries[: int(len(some) * seconds / 2 / once)]  # together they were quicker than one by one
    rounds = [once]
    while len(rounds) < _ROUNDS and sum(rounds) + once <= seconds:
        once, rows = _batch(index, some, k)
        rounds.append(once)
    return {
        "queries": len(some),
        "queries_per_second": len(some) / statistics.median(rounds),
        "single_queries": len(taken),
        "single_per_second": len(taken) / sum(taken),
        "p50_ms": float(np.percentile(taken, 50)) * 1000,
        "p99_ms": float(np.percentile(taken, 99)) * 1000,
    }, rows


def _batch(index: AnnIndex, queries: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Seconds, never 0, and the rows found."""
    begun = time.perf_counter()
    _, rows = index.search(queries, k=k)
    return max(time.perf_counter() - begun, 1e-9), rows


def resident_bytes() -> int | None:
    """Memory of this process; None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


class Noop:
    """Answers at once, and wrongly."""

    sweep: Sequence[dict[str, int]] = ({},)
    grows: Literal["linear", "root", "log"] = "log"

    def add(self, embeddings: np.ndarray) -> None:
        """Nothing is kept."""

    def tune(self, **settings: int) -> None:
        """There is nothing to set."""

    def search(self, queries: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((len(queries), k), np.float32), np.full((len(queries), k), -1, np.int64)

    def size_on_disk(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to give back."""


def _built(request: dict[str, Any]) -> AnnIndex:
    spec = request["spec"]
    if spec == NOOP:
        return Noop()
    option_names = {option.name for option in plugins.options("indexes", plugins.parse(spec)[0])}
    given = {name: request[name] for name in ("threads", "seed", "metric") if name in option_names}
    built: AnnIndex = plugins.build("indexes", spec, **given)
    return built


if __name__ == "__main__":
    main()
