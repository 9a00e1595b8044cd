"""Twenty processes want one Milvus Lite file, or one gallery, at the same instant: `python -m benchmarks.one_owner`.

Each round starts the processes, lets them go at once, and counts who got it. A refusal counts only when it is
StoreLocked (or GalleryError, for the gallery) and names the process that has it. In every second round of the file the
owner is ended by SIGKILL in the middle of its writes. Afterwards the file has to open with every acknowledged row.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measuring
from pipeline import ROOT

PROCESSES = 20
ENCODER = "color_histogram:grid=2,bins=2"
# Opens the file when told to; the owner holds it, and writes into it, until it is told to stop or killed.
CONTENDER = """
import sys
import numpy as np
import pandas as pd
from pipeline.ingest import sync; from pipeline import plugins
from pipeline.errors import StoreLocked
from pipeline.records import Rows
from pipeline.schema import NAMES
from pipeline.settings import Settings
import filelock, pymilvus, milvus_lite
me = int(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    store = sync.open_store(Settings())
except StoreLocked as refusal:
    print("refused", refusal, flush=True)
    sys.exit(1)
print("owner", flush=True)
store.create("shared", dim=8)
for number in range(int(sys.argv[2])):
    ids = [f"{me:08x}{number:08x}{i:016x}" for i in range(10)]
    table = pd.DataFrame([dict.fromkeys(NAMES, "") | {"id": one, "width": 9, "height": 9, "metadata": {}} for one in ids])
    store.upsert("shared", Rows(table, np.eye(8, dtype=np.float32)[[number % 8] * 10]))
    print("wrote", number, flush=True)
sys.stdin.readline()
store.close()
"""


@dataclass
class Round:
    """What came of one start of all processes."""

    owners: int
    refusals: int  # in the right words
    other: list[str]  # every other end
    killed: bool  # the owner, at work
    lost: int  # acknowledged rows that are not there afterwards


def environment(home: Path) -> dict[str, str]:
    ours = {"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return os.environ | ours


def one_file(home: Path, *, number: int, kill: bool, processes: int = PROCESSES, batches: int = 20) -> Round:
    """One round on `home`/milvus.db, which lives on from round to round. number: of the round, part of its rows' ids."""
    home.mkdir(parents=True, exist_ok=True)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, str(number * 1000 + i), str(batches)],
            env=environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n", child.communicate()
        for child in children:
            _say(child)
        return _counted(home, children, kill=kill, batches=batches)
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _say(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def _counted(home: Path, children: Sequence[subprocess.Popen[str]], *, kill: bool, batches: int) -> Round:
    made = Round(0, 0, [], killed=False, lost=0)
    acknowledged: list[str] = []
    owners = {}
    for number, child in enumerate(children):
        assert child.stdout is not None
        line = child.stdout.readline().strip()
        if line == "owner":
            owners[number] = child
        elif line.startswith("refused ") and "is held by process" in line and str(home / "milvus.db") in line:
            made.refusals += 1
        else:
            made.other.append(line or child.communicate()[1].strip()[-300:])
    made.owners = len(owners)
    for child in owners.values():
        written = 0
        assert child.stdout is not None
        for line in child.stdout:
            written += line.startswith("wrote")
            if written == (batches // 2 if kill else batches):
                break
        if kill:
            child.send_signal(signal.SIGKILL)
            child.wait()
            made.killed = True
        me = int(child.args[3])  # type: ignore[index]  # a list
        acknowledged += [f"{me:08x}{batch:08x}{i:016x}" for batch in range(written) for i in range(10)]
        if not kill:
            _say(child)
            child.communicate(timeout=60)
    made.lost = len(set(acknowledged) - _there(home))
    return made


def _there(home: Path) -> set[str]:
    """Ids in the file, as one process more finds them."""
    code = (
        "import json; from pipeline.ingest import sync; from pipeline.settings import Settings;"
        "store = sync.open_store(Settings()); print(json.dumps(list(store.digests('shared')))); store.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(home), capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def one_gallery(home: Path, photos: Path, *, processes: int = PROCESSES) -> tuple[Counter[str], str]:
    """That many `ingest` of one gallery at once: how they ended, and what `verify` says afterwards."""
    words = ["ingest", "crowd", "--dataset", f"folder:root={photos}", "--encoder", ENCODER, "--progress", "none"]
    command = [sys.executable, "-m", "pipeline", *words]
    children = [
        subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    ends = Counter[str]()
    for child in children:
        _, said = child.communicate()
        if child.returncode == 1 and "is being written by another process; wait for it or stop it" in said:
            ends["refused, exit 1"] += 1
        else:
            ends[f"exit {child.returncode}" + (f": {said.strip()[-200:]}" if child.returncode else "")] += 1
    last = [sys.executable, "-m", "pipeline", "sync", "crowd", "--progress", "none"]
    synced = subprocess.run(last, env=environment(home), capture_output=True, text=True)
    if synced.returncode:
        ends[f"sync: {synced.stderr.strip()[-300:]}"] += 1
    done = subprocess.run([*last[:3], "verify", "crowd"], env=environment(home), capture_output=True, text=True)
    return ends, f"exit {done.returncode}: {done.stdout.strip()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="?", default=measuring.CLOTHING / "validation")
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    print(f"{PROCESSES} processes at once; {measuring.machine()}\n")
    print("| round | owners | refused | other | owner killed | acknowledged rows lost | seconds |")
    print("|---|---|---|---|---|---|---|")
    good = True
    with tempfile.TemporaryDirectory(prefix="one-owner-") as home:
        for number in range(given.rounds):
            begun = time.perf_counter()
            one = one_file(Path(home), number=number, kill=number % 2 == 1)
            good &= (one.owners, one.refusals, one.lost) == (1, PROCESSES - 1, 0)
            cells = (number + 1, one.owners, one.refusals, len(one.other), "yes" if one.killed else "no", one.lost)
            print(f"| {' | '.join(map(str, cells))} | {time.perf_counter() - begun:.1f} |", flush=True)
            print(*one.other, sep="\n", end="\n" if one.other else "")
        ends, verified = one_gallery(Path(home), given.photos.absolute())
    print("\n20 ingests of one gallery at once:", *(f"{count} × {end}" for end, count in ends.items()), sep="\n")
    print(f"verify: {verified}")
    sys.exit(not (good and ends["exit 0"] >= 1 and not any(end not in ("exit 0", "refused, exit 1") for end in ends)))


if __name__ == "__main__":
    main()
