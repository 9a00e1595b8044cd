"""What map_at_r costs: ours against pytorch-metric-learning's AccuracyCalculator, same data, same machine, same run.

    python -m benchmarks.evaluate [--queries 10000] [--gallery 100000] [--dim 128] [--labels 200] [--seed 0]

Each works in a process of its own, one after the other, so that the peak of memory is its own: the most that the
process ever held, less what it held before the call, with the embeddings made and the libraries warm. Theirs needs
faiss-cpu. Exit 1 when a bar is missed: at least as fast, at most 0.35 of the memory, and the same value to 1e-6. The
processor's time stands beside the clock's, because other programs disturb it less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measuring

if TYPE_CHECKING:  # a child's peak begins with that of the process that started it: this one stays small
    import numpy as np

TIMES, SHARE, SAME = 1.0, 0.35, 1e-6
NOISE = 1.5  # length of a row's own direction beside its label's, which is 1 long: neither all right nor all wrong

Call = Callable[["np.ndarray", "np.ndarray", "np.ndarray", "np.ndarray"], float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--gallery", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(CALLS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(_measure(CALLS[asked.only], asked)))
        return 0

    ours, theirs = (_in_a_child(name) for name in CALLS)
    print(f"{measuring.machine()}, {os.environ.get('OMP_NUM_THREADS') or 'all'} threads")
    print(
        f"{asked.queries:,} queries, {asked.gallery:,} rows, dim {asked.dim}, {asked.labels} labels, seed {asked.seed}"
    )
    other = f"pytorch-metric-learning {version('pytorch-metric-learning')}"
    rows = [
        (name, f"{one['seconds']:.1f}", f"{one['processor']:.1f}", f"{one['mb']:.0f}", f"{one['value']:.9f}")
        for name, one in (("ours", ours), (other, theirs))
    ]
    print(measuring.table(("map_at_r", "seconds", "of the processor", "peak MB", "value"), rows))
    measuring.verdict("times as fast, by the processor", theirs["processor"] / ours["processor"], TIMES, at_least=True)
    faster = measuring.verdict("times as fast", theirs["seconds"] / ours["seconds"], TIMES, at_least=True)
    smaller = measuring.verdict("share of its memory", ours["mb"] / theirs["mb"], SHARE)
    difference = abs(ours["value"] - theirs["value"])
    same = difference <= SAME
    print(f"{'met   ' if same else 'MISSED'} difference of the values: {difference:.1e} (at most {SAME:g})")
    return 0 if same and faster and smaller else 1


def _in_a_child(name: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.evaluate", *sys.argv[1:], "--only", name]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout.splitlines()[-1])


def _measure(call: Call, asked: argparse.Namespace) -> dict[str, float]:
    call(*_data(20, 200, asked.dim, 5, seed=asked.seed))  # loads what is loaded once
    data = _data(asked.queries, asked.gallery, asked.dim, asked.labels, seed=asked.seed)
    before, begun, own = _held(), time.perf_counter(), time.process_time()
    value = call(*data)
    seconds, processor = time.perf_counter() - begun, time.process_time() - own
    return {"value": value, "seconds": seconds, "processor": processor, "mb": (_peak() - before) / 1e6}


def _data(
    queries: int, gallery: int, dim: int, labels: int, *, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit rows around one direction per label, float32 from the start: a larger copy would hide in the peak."""
    import numpy as np

    random = np.random.default_rng(seed)
    centres = random.standard_normal((labels, dim), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        marks = random.integers(0, labels, n)
        rows = random.standard_normal((n, dim), np.float32)
        rows *= NOISE / np.sqrt(dim)
        for start in range(0, n, 4096):
            here = rows[start : start + 4096]
            here += centres[marks[start : start + 4096]]
            here /= np.linalg.norm(here, axis=1, keepdims=True)
        return rows, marks

    return *draw(queries), *draw(gallery)


def _ours(queries: np.ndarray, asked: np.ndarray, gallery: np.ndarray, held: np.ndarray) -> float:
    from pipeline.metrics import retrieval

    return retrieval.map_at_r_between(queries, asked, gallery, held)


def _theirs(queries: np.ndarray, asked: np.ndarray, gallery: np.ndarray, held: np.ndarray) -> float:
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    name = "mean_average_precision_at_r"
    calculator = AccuracyCalculator(include=(name,), k="max_bin_count", device=torch.device("cpu"))
    said = calculator.get_accuracy(*map(torch.from_numpy, (queries, asked, gallery, held)), ref_includes_query=False)
    return float(said[name])


CALLS: dict[str, Call] = {"ours": _ours, "theirs": _theirs}


def _held() -> int:
    """Bytes that the process holds now; where the system does not tell, the most that it ever held."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else _peak()


def _peak() -> int:
    """Bytes; Linux counts ru_maxrss in kilobytes, macOS in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    raise SystemExit(main())
