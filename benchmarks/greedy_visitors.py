"""Visitors who ask for too much at once: `python -m benchmarks.greedy_visitors [--visitors 4] [--each 6] [--gigabytes 4]`.

The app is exposed, and it and all it starts share so many gigabytes, as in a container: a control group of its own, which
takes root on Linux. (By addresses, as `ulimit -v` counts, the libraries alone reserve more.) All visitors at a time
upload so many pictures of 7,000 × 7,000 pixels each, then each asks for so many measurements. Bars: the app is alive and
answers a search at the end; every upload and every job was done or was answered by a sentence; no fault of ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import measuring
from benchmarks.forged_states import FAULT, Forger
from benchmarks.startup import ROOT, exposed_app_at, free_port, megabytes, wait_for_server
from benchmarks.streamlit_client import VisitError
from benchmarks.upload_memory import Peak, drawn
from pipeline import plugins

PATIENCE = 900.0  # seconds
GROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def group(gigabytes: float) -> Iterator[Path]:
    """A folder of control groups whose processes have that much memory together."""
    old = GROUPS / "memory"
    folder = (old if old.is_dir() else GROUPS) / f"greedy-visitors-{os.getpid()}"
    folder.mkdir()
    try:
        limit = folder / ("memory.limit_in_bytes" if old.is_dir() else "memory.max")
        limit.write_text(str(int(gigabytes * 2**30)))
        yield folder
    finally:
        time.sleep(1)  # what has ended leaves it
        folder.rmdir()


@contextlib.contextmanager
def limited_app(home: Path, gigabytes: float) -> Iterator[tuple[str, int]]:
    """Address and process id."""
    port = free_port()
    command, environment = exposed_app_at(port, home)
    with group(gigabytes) as folder, (home / "app.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: (folder / "cgroup.procs").write_text(str(os.getpid())),
        )
        try:
            wait_for_server(port)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            if process.wait(60) not in (0, -signal.SIGTERM):
                print(f"the app ended with {process.returncode}: {(home / 'app.log').read_text()[-3000:]}")


def uploads(address: str, number: int, each: int) -> Counter[str]:
    came: Counter[str] = Counter()
    with Forger(address) as visitor:
        visitor.open("gallery=small")
        for turn in range(each):
            visitor.told.clear()
            try:
                answer = visitor.upload(f"{number}-{turn}.png", drawn(100 * number + turn, 7_000))
                told = " ".join(visitor.told)
                came["hits" if answer.hits() else "fault" if FAULT.search(told) else "told"] += 1
            except VisitError as error:
                came[f"upload: {error}"[:120]] += 1
    return came


def asks(address: str, each: int) -> Counter[str]:
    """Presses Measure on the Evaluate page."""
    came: Counter[str] = Counter()
    with Forger(address) as visitor:
        visitor.open("gallery=small")
        answer = visitor.open("gallery=small", page="evaluate")
        button = next(
            one.button.id
            for one in answer.elements
            if one.WhichOneof("type") == "button" and one.button.label == "Measure"
        )
        for _ in range(each):
            visitor.told.clear()
            try:
                visitor.change({button: lambda state: setattr(state, "trigger_value", True)})
                told = " ".join(visitor.told)
                kind = (
                    "fault"
                    if FAULT.search(told)
                    else "refused in a sentence"
                    if "jobs of yours" in told or "jobs work or wait" in told
                    else "taken"
                )
                came[kind] += 1
            except VisitError as error:
                came[f"job: {error}"[:120]] += 1
    return came


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of memory")
    parser.add_argument("--encoder", default=plugins.DEFAULT_ENCODER)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="greedy-") as folder:
        home = Path(folder) / "home"
        words = [
            "ingest",
            "small",
            "--dataset",
            "catalogue:items=30,views=2,size=96",
            "--encoder",
            given.encoder,
            "--progress",
            "none",
        ]
        subprocess.run(
            [sys.executable, "-m", "pipeline", *words],
            cwd=ROOT,
            check=True,
            env=os.environ | {"SEMBLANCE_HOME": str(home)},
        )
        with limited_app(home, given.gigabytes) as (address, pid), ThreadPoolExecutor(given.visitors) as crowd:
            with Forger(address) as first:  # what a first upload loads
                first.open("gallery=small")
                first.upload("first.png", drawn(0, 200))
            before, peak = megabytes(pid), Peak(pid)
            peak.start()
            came = sum(
                crowd.map(lambda number: uploads(address, number, given.each), range(1, given.visitors + 1)), Counter()
            )
            asked = sum(crowd.map(lambda _: asks(address, given.each), range(given.visitors)), Counter())
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and (unfinished := _unfinished(home)):
                time.sleep(1)
            ended = Counter(file.read_text() for file in (home / "jobs").glob("*/exit.txt"))
            with Forger(address) as last:
                last.open("gallery=small")
                alive = bool(last.upload("last.png", drawn(1, 200)).hits())
            most = peak.stop()
    print(measuring.machine())
    print(
        f"uploads: {dict(came)}\njobs asked for: {dict(asked)}\njobs ended, by exit code: {dict(ended)}, left: {len(unfinished)}"
    )
    print(f"app: {before:.0f} MB before, {most:.0f} MB at most; {'alive' if alive else 'DEAD'}")
    fine = (
        alive and not unfinished and set(came) <= {"hits", "told"} and set(asked) <= {"taken", "refused in a sentence"}
    )
    return int(not fine)


def _unfinished(home: Path) -> list[str]:
    jobs = [json.loads(file.read_text())["id"] for file in (home / "jobs").glob("*/job.json")]
    return [job for job in jobs if not (home / "jobs" / job / "exit.txt").exists()]


if __name__ == "__main__":
    sys.exit(main())
