"""What the speed scripts share: the machine in words, quiet moments, tables."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

CLOTHING = Path(__file__).resolve().parents[2] / "shared" / "data" / "clothing"


def machine() -> str:
    """Processor, cores, Python: a figure means nothing without them."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def wait_for_quiet(seconds: float, *, busy: float = 0.3) -> float:
    """Wait, at most so long, until the machine's cores idle; returns the share of them in use at the end (0 to 1)."""
    until = time.monotonic() + seconds
    while (share := _share_in_use()) > busy and time.monotonic() < until:
        pass
    return share


def _share_in_use(over: float = 1.0) -> float:
    """Measured over `over` seconds; 0 where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0

    def times() -> tuple[int, int]:
        fields = [int(field) for field in stat.read_text().splitlines()[0].split()[1:]]
        return sum(fields[:8]), fields[3] + fields[4]

    before_all, before_idle = times()
    time.sleep(over)
    after_all, after_idle = times()
    return 1 - (after_idle - before_idle) / max(1, after_all - before_all)


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
