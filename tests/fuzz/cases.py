"""How many made-up cases each fuzz test tries, counted: FUZZ_CASES for a long run, which then differs every time."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings

LONG = "FUZZ_CASES" in os.environ
MOST = int(os.environ.get("FUZZ_CASES", "150"))

cases = settings(
    max_examples=MOST,
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
slow_cases = settings(cases, max_examples=max(20, MOST // 5) if LONG else 20)  # a third of a second each
_counted: Counter[str] = Counter()


def count(area: str, number: int = 1) -> None:
    """One more case of `area` was tried; the last count is in the file FUZZ_COUNTS."""
    _counted[area] += number


def write_counts() -> None:
    if file := os.environ.get("FUZZ_COUNTS"):
        Path(file).write_text(json.dumps(_counted))


class Escape(AssertionError):
    """Something was read, written or matched outside its bounds."""
