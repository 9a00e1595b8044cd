"""How soon a new photo in a watched folder can be searched, and how long it takes to follow when all of it moves.

    python -m benchmarks.watching [--pictures 10000] [--new 10]

Drawn pictures are ingested by `ingest --watch`; then `new` more come one after the other, and the folder that holds all of
them is renamed. A round is over when the command says so: rows are committed and the index agrees. Bar: a new picture within
3 s (median); nothing is encoded anew by the move. Exit code 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from benchmarks import measuring
from pipeline import ROOT

BAR = 3.0  # seconds


def draw(file: Path, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    blobs = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(blobs).resize((64, 64), Image.Resampling.BICUBIC).save(file, quality=90)


def told(lines: IO[str]) -> dict[str, Any]:
    """What the next round reports."""
    return dict(json.loads(lines.readline()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--new", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photos"
        for number in range(given.pictures):
            draw(root / "all" / f"{number % 100:02d}" / f"{number:06d}.jpg", number)
        command = [sys.executable, "-m", "pipeline", "ingest", "watched", "--dataset", f"folder:root={root}", "--watch"]
        command += ["--encoder", "color_histogram", "--progress", "none", "--json"]
        environment = os.environ | {"SEMBLANCE_HOME": str(Path(folder) / "home"), "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            first = told(child.stdout)
            clock, seconds = measuring.Clock(), []
            for number in range(given.new):
                time.sleep(1)
                draw(root / "all" / "new" / f"{number}.jpg", given.pictures + number)
                begun = time.perf_counter()
                while told(child.stdout)["added"] != 1:  # the new folder itself is a change too
                    pass
                seconds.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            (root / "all").rename(root / "moved")
            moved = told(child.stdout)
            while not moved["followed"].get("moved"):
                moved = told(child.stdout)
            spent = time.perf_counter() - begun
            others = clock.pace(1).others
            child.terminate()
    print(measuring.machine())
    print(f"{given.pictures:,} pictures, first ingest {first['seconds']:.0f} s; others took {others:.0%} of the cores")
    print(f"a new picture can be searched after {statistics.median(seconds):.2f} s (longest {max(seconds):.2f})")
    print(f"{moved['followed']['moved']:,} moves followed after {spent:.1f} s, {moved['added']} encoded anew")
    met = [measuring.verdict("a new picture, median", statistics.median(seconds), BAR, " s")]
    met.append(measuring.verdict("encoded anew by moves", moved["added"], 0))
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
