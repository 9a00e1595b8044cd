"""What Ray costs: `ingest --engine ray` with one actor beside the plain engine, as many threads in both.

    python -m benchmarks.ray_overhead [--data FOLDER] [--encoder SPEC] [--threads 1] [--limit N] [--rounds 3]

In turn, round after round, each into a fresh home without Milvus. The rate is steady: that of the last two thirds, so
what starts Ray and what waits when the first pictures arrive is left out; the start is printed apart. Processor time is
that of this process and of all below it, until the last picture; of the start alone, of an ingest of one picture.
Others: the share of the cores that other programs took. Linux only. Exit code 1 when Ray is more than 15 % slower.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measuring
from pipeline import plugins
from pipeline.gallery.opening import create_gallery
from pipeline.ingest.engines import Engine, Threads
from pipeline.ingest.ingest import ingest
from pipeline.ingest.ray_engine import Ray
from pipeline.records import Encoder
from pipeline.settings import Settings

BAR = 1.15


@dataclass(frozen=True)
class Run:
    first: float  # seconds until the first chunk
    rate: float  # pictures a second, of the last two thirds
    processor: float  # seconds, until the last picture
    others: float  # share of the cores


def run(engine: Engine, encoder: Encoder, spec: str, data: Path, limit: int) -> Run:
    said: list[tuple[float, int]] = []
    ended: list[tuple[float, float, float]] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "ingest":
            said.append((time.perf_counter(), done))
            if done == total:
                ended.append((_processor(), *measuring._cores()))  # while all processes live

    with tempfile.TemporaryDirectory() as home:
        dataset = plugins.build("datasets", f"clothing:root={data}")
        gallery = create_gallery("speed", Settings(home=Path(home)))
        begun, before, (total, idle) = time.perf_counter(), _processor(), measuring._cores()
        ingest(gallery, dataset, encoder, spec=spec, store=None, limit=limit, progress=progress, engine=engine)
    [(after, now_total, now_idle)] = ended
    spent = after - before
    last, count = said[-1]
    since, had = next((when, done) for when, done in said if done >= count / 3)
    rate = (count - had) / (last - since) if count > had else 0.0
    busy = 1 - (now_idle - idle) / (now_total - total)
    others = busy - spent / ((last - begun) * (os.cpu_count() or 1))
    return Run(said[0][0] - begun, rate, spent, max(0.0, others))


def _processor() -> float:
    """Seconds of this process and of every one below it."""
    parents, seconds = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            pid = int(stat.parent.name)
            parents[pid], seconds[pid] = int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(seconds[pid] for pid in ours)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measuring.CLOTHING, help="the clothing dataset's folder")
    parser.add_argument("--encoder", default="torchvision:arch=mobilenet_v3_small,weights=none")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="only so many pictures; 0 = all")
    parser.add_argument("--quiet-wait", type=float, default=60, help="seconds to wait for idle cores before a run")
    asked = parser.parse_args()

    engines: dict[str, Engine] = {
        "plain": Threads(asked.threads),
        "ray": Ray(asked.encoder, workers=1, threads=asked.threads, device="cpu"),
    }
    encoder: Encoder = plugins.build("encoders", asked.encoder, device="cpu")
    print(f"{measuring.machine()}; {asked.encoder}, {asked.threads} threads", flush=True)
    runs: dict[str, list[Run]] = {name: [] for name in engines}
    starts = {}
    for name, engine in engines.items():
        starts[name] = run(engine, encoder, asked.encoder, asked.data, 1).processor
    for turn in range(asked.rounds):
        for name, engine in engines.items():
            measuring.wait_for_quiet(asked.quiet_wait)
            made = run(engine, encoder, asked.encoder, asked.data, asked.limit)
            runs[name].append(made)
            measuring.say(f"round {turn + 1}: {name} {made.rate:.0f}/s, others {made.others:.0%}")
    rows = []
    for name, some in runs.items():
        middle = [statistics.median(getattr(one, field) for one in some) for field in ("rate", "first", "processor")]
        each = ", ".join(f"{one.rate:.0f} ({one.others:.0%})" for one in some)
        rows.append((name, f"{middle[0]:.0f}", each, f"{middle[1]:.1f}", f"{middle[2]:.1f}", f"{starts[name]:.1f}"))
    heading = ("engine", "pictures/s, steady", "each run (others took)", "s to the first chunk")
    print(measuring.table((*heading, "processor s", "of which start"), rows))
    ratios = [plain.rate / ray.rate for plain, ray in zip(runs["plain"], runs["ray"], strict=True)]
    print("plain / ray, each round: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))
    return int(not measuring.verdict("plain / ray, median", statistics.median(ratios), BAR))


if __name__ == "__main__":
    sys.exit(main())
