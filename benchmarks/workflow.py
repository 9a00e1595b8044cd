"""The whole work on a gallery of given embeddings, each stage its own command: time, peak memory, and how both grow.

    python -m benchmarks.workflow [--rows 10000 100000 1000000] [--dim 256] [--folder FOLDER] [--only STAGE ...]

Clustered unit embeddings with 2,000 labels, drawn by a seed, are written as an exported Parquet file, and a home with
Milvus Lite goes through: import (parts and Milvus), sync once more, duplicates, cluster, oddities, project, evaluate with
10,000 queries, export. No picture lies behind the rows, so duplicates are those of embeddings. Memory is the highest resident
memory of the command and its children together. The growth of a stage is the exponent of a power law through its times
at all sizes. With --folder what was made stays, and a stage whose gallery is there begins at once.

Exit code 1 when a stage fails, takes more than 8 GB, or grows faster than n^1.15 (between 100,000 rows and the most,
where a fixed start of seconds no longer hides the growth).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measuring, scale
from benchmarks.startup import megabytes
from pipeline import ROOT

if TYPE_CHECKING:
    import numpy as np

MEMORY, GROWTH = 8_000.0, 1.15  # MB; exponent
FLOOR = 100_000  # rows from which growth is judged
QUERIES = 10_000
STAGES = {
    "import": ["import", "work", "{file}"],
    "sync": ["sync", "work"],
    "duplicates": ["duplicates", "work"],
    "cluster": ["cluster", "work"],
    "oddities": ["oddities", "work"],
    "project": ["project", "work"],
    "evaluate": ["evaluate", "work", "--queries", "split=test"],
    "export": ["export", "work", "{out}"],
}


def written(file: Path, n: int, dim: int) -> None:
    """An exported gallery of so many rows, by the exchange's own writer."""
    import numpy as np
    import pandas as pd

    from pipeline.exchange import parquet
    from pipeline.exchange.rows import Facts
    from pipeline.records import Rows

    chance = np.random.default_rng(7)
    vectors = scale.embeddings(n, dim, seed=0)
    labels = _centres(n, dim)
    table = pd.DataFrame({"id": [f"{number:032x}" for number in range(n)], "parent": "", "box": ""})
    table["path"] = [f"folder{number % 97:02d}/photo{number:08d}.jpg" for number in range(n)]
    table["label"] = [f"label {label}" for label in labels]
    table["split"] = np.where(chance.permutation(n) < min(QUERIES, n // 10), "test", "train")
    table["width"], table["height"] = 640, 480
    table["metadata"] = [{"price": f"{number * 7919 % 1000 / 2:.2f}"} for number in range(n)]
    facts = Facts(f"pixels:dim={dim}", "0" * 64, dim, "Work")
    parquet.write(file, facts, Rows(table, vectors))


def _centres(n: int, dim: int) -> np.ndarray:
    """(n,) the centre that scale.embeddings drew each row around: the same draws in the same order."""
    import numpy as np

    chance = np.random.default_rng((0, 1))
    chance.standard_normal((n, dim), dtype=np.float32)
    return chance.integers(0, scale.CLUSTERS, n)


def run(words: list[str], home: Path) -> tuple[float, float, str]:
    """Seconds, highest resident memory of all its processes in MB, and its last line. RuntimeError when it fails."""
    env = os.environ | {"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": ""}
    begun = time.perf_counter()
    command = [sys.executable, "-m", "pipeline", *words]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        peak = 0.0
        ended = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not ended.wait(0.1):
                with contextlib.suppress(OSError, StopIteration):  # one has just ended
                    peak = max(peak, sum(map(megabytes, _family(one.pid))))

        watcher = threading.Thread(target=watch)
        watcher.start()
        out, err = one.communicate()
        ended.set()
        watcher.join()
    taken = time.perf_counter() - begun
    if one.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {one.returncode}: {err.strip()[-500:]}")
    return taken, peak, (out.strip().splitlines() or [""])[-1]


def _family(pid: int) -> list[int]:
    """The process and all below it. OSError when one has just ended."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    return [pid, *(one for child in children for one in _family(child))]


def exponent(sizes: list[int], seconds: list[float]) -> float:
    import numpy as np

    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--folder", type=Path, help="where files and galleries stay")
    parser.add_argument(
        "--only", nargs="+", choices=STAGES, default=list(STAGES), help="stages; import when it is missing"
    )
    given = parser.parse_args()
    taken: dict[str, dict[int, tuple[float, float]]] = {stage: {} for stage in STAGES}
    met, clock = True, measuring.Clock()
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="workflow-")))
        for n in sorted(given.rows):
            home, file, out = folder / f"home-{n}", folder / f"{n}.parquet", folder / f"out-{n}.parquet"
            folder.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                written(file, n, given.dim)
            there = (home / "galleries" / "work").exists()
            for stage, words in STAGES.items():
                if (stage == "import" and there) or (stage not in given.only and (stage != "import" or there)):
                    continue
                try:
                    seconds, memory, said = run([word.format(file=file, out=out) for word in words], home)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    met = False
                    continue
                taken[stage][n] = seconds, memory
                measuring.say(f"{n:,} {stage}: {seconds:.1f} s, {memory:,.0f} MB; {said[:160]}")
    sizes = sorted(given.rows)
    lines = []
    for stage, found in taken.items():
        if not found:
            continue
        judged = [n for n in found if n >= FLOOR]
        grows = exponent(judged, [found[n][0] for n in judged]) if len(judged) > 1 else float("nan")
        cells = [f"{found[n][0]:.1f} s, {found[n][1]:,.0f} MB" if n in found else "-" for n in sizes]
        lines.append([stage, *cells, f"{grows:.2f}"])
        met &= measuring.verdict(f"{stage}, memory", max(memory for _, memory in found.values()), MEMORY, " MB")
        if len(judged) > 1:
            met &= measuring.verdict(f"{stage}, growth", grows, GROWTH)
    print(f"\n{measuring.machine()}; others took {clock.pace(1).others:.0%} of the cores meanwhile")
    print(f"dim {given.dim}\n")
    print(measuring.table(["stage", *(f"{n:,} rows" for n in sizes), f"exponent from {FLOOR:,}"], lines))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
