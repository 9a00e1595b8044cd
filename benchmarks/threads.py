"""What two programs of this machine cost each other when torch's threads wait by spinning, and as Semblance lets them wait.

    python -m benchmarks.threads [--rounds 5]

Each program makes training steps of MobileNetV3 on 32 pictures of 96 x 96, on all cores, and tells its median step. In every
round one works alone and two work at once, with OpenMP's own setting and with ours (pipeline/__init__.py). Bars: at once, ours
is at least 1.3 times as fast; alone, it takes at most 1.25 times as long. Exit code 1 when one is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from benchmarks import measuring
from pipeline import ROOT

STEPS = 20
FASTER, SLOWER = 1.3, 1.25
THEIRS, OURS = "300000", os.environ.get("GOMP_SPINCOUNT", "1000")  # turns


def step() -> float:
    """Median seconds of a training step in this process."""
    import torch
    import torchvision

    network = torchvision.models.mobilenet_v3_small(weights=None)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    pictures = torch.randn(32, 3, 96, 96)
    spent = []
    for _ in range(STEPS + 2):
        begun = time.perf_counter()
        optimizer.zero_grad()
        network(pictures).sum().backward()
        optimizer.step()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent[2:])


def at_once(programs: int, turns: str) -> float:
    """The mean of the programs' steps in ms."""
    command = [sys.executable, "-m", "benchmarks.threads", "--one"]
    environment = os.environ | {"GOMP_SPINCOUNT": turns}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) for _ in range(programs)
    ]
    return statistics.mean(float(one.communicate()[0]) for one in started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(step())
        return
    ways = [(programs, turns) for programs in (1, 2) for turns in (THEIRS, OURS)]
    spent: dict[tuple[int, str], list[float]] = {way: [] for way in ways}
    for _ in range(given.rounds):
        for way in ways:
            spent[way].append(at_once(*way))
    step_of = {way: statistics.median(spent[way]) for way in ways}
    print(measuring.machine())
    rows = [
        (name, *(f"{step_of[programs, turns]:.0f}" for programs in (1, 2)))
        for name, turns in (("OpenMP's own", THEIRS), ("ours", OURS))
    ]
    print(measuring.table(("a training step, ms", "alone", "two at once"), rows))
    met = [
        measuring.verdict("as fast, two at once", step_of[2, THEIRS] / step_of[2, OURS], FASTER, at_least=True),
        measuring.verdict("as long, alone", step_of[1, OURS] / step_of[1, THEIRS], SLOWER),
    ]
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
