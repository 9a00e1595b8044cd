"""Runs the fuzz tests with many more cases than CI does, differently every time, and prints what came of it.

    python -m benchmarks.fuzz [--cases 2000] [--processes 2]

A crash is any failure that is not an escape; an escape is a byte written, read or matched outside its bounds. Exit
code 1 when there was one; its smallest example is printed. A file's tests run in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline import ROOT


def run(file: Path, cases: int) -> tuple[dict[str, int], str, float]:
    """Cases tried by area, pytest's output and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        environment = os.environ | {"FUZZ_CASES": str(cases), "FUZZ_COUNTS": str(counts)}
        command = [sys.executable, "-m", "pytest", "-q", "--timeout=0", "-p", "no:cacheprovider", str(file)]
        begun = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        tried = json.loads(counts.read_text()) if counts.exists() else {}
        return tried, "" if done.returncode == 0 else done.stdout + done.stderr, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    files = sorted((ROOT / "tests" / "fuzz").glob("test_*.py"))
    with ThreadPoolExecutor(given.processes) as pool:
        results = list(pool.map(lambda file: run(file, given.cases), files))
    print(f"{'what':<28}{'cases':>8}{'crashes':>9}{'escapes':>9}{'seconds':>9}")
    for file, (tried, output, seconds) in zip(files, results, strict=True):
        failed = len(re.findall(r"^FAILED|^ERROR", output, re.MULTILINE))
        escapes = len(re.findall(r"^(?:E\s+|\s*\|?\s*)cases\.Escape", output, re.MULTILINE))
        for area, count in tried.items():
            print(f"{area:<28}{count:>8,}")
        print(f"{file.stem:<28}{sum(tried.values()):>8,}{max(failed - escapes, 0):>9}{escapes:>9}{seconds:>9.0f}")
    for _, output, _ in results:
        print(output)
    sys.exit(any(output for _, output, _ in results))


if __name__ == "__main__":
    main()
