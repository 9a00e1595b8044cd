"""What the speed scripts share: the machine in words, quiet moments, tables."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import ROOT

CLOTHING = ROOT.parent / "shared" / "data" / "clothing"


def machine() -> str:
    """Processor, cores, Python: a figure means nothing without them."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


@dataclass(frozen=True)
class Pace:
    """How fast so many items went, and how much other programs disturbed them."""

    rate: float  # items per second
    processor: float  # milliseconds of processor time per item, all cores
    others: float  # share of the machine's cores that other programs took meanwhile, 0 to 1


class Clock:
    """Started when made."""

    def __init__(self) -> None:
        self._wall, self._own, (self._all, self._idle) = time.perf_counter(), time.process_time(), _cores()

    def pace(self, items: int) -> Pace:
        """For so many items since the start. `others` is 0 where the system does not tell."""
        wall, own = time.perf_counter() - self._wall, time.process_time() - self._own
        total, idle = (now - then for now, then in zip(_cores(), (self._all, self._idle), strict=True))
        others = 1 - idle / total - own / (wall * (os.cpu_count() or 1)) if total else 0.0
        return Pace(items / wall, 1000 * own / items, min(max(others, 0.0), 1.0))


def calmest(paces: Sequence[Pace]) -> list[Pace]:
    """The half that other programs disturbed least: chosen by the disturbance, never by the figure itself."""
    return sorted(paces, key=lambda pace: pace.others)[: (len(paces) + 1) // 2]


def wait_for_quiet(seconds: float, *, busy: float = 0.1) -> None:
    """Wait, at most so long, until the machine's cores idle."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        clock = Clock()
        time.sleep(2.0)
        if clock.pace(1).others <= busy:
            return


def _cores() -> tuple[float, float]:
    """All the time that all cores had so far, and the part of it that they were idle; zeros if unknown."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0, 0.0
    fields = [float(field) for field in stat.read_text().splitlines()[0].split()[1:]]
    return sum(fields[:8]), fields[3] + fields[4]


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, so that what was printed can be kept as it is."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def verdict(name: str, value: float, bar: float, unit: str = "", *, at_least: bool = False) -> bool:
    """Print one line against its bar; True when it is met."""
    met = value >= bar if at_least else value <= bar
    sign = "at least" if at_least else "at most"
    print(f"{'met   ' if met else 'MISSED'} {name}: {value:.2f}{unit} ({sign} {bar:g}{unit})", flush=True)
    return met


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
