"""The table of docs/experiments.md: every encoder asked the same questions in one run, so that its rows compare.

    python -m benchmarks.figures --data data/tiny-imagenet [--teacher RUN] [--split test] TARGET...

TARGET: a run's name, a folder with model.json, or an encoder such as color_histogram. Queries are the split, the gallery
is train (with dev, when test asks). Prints a row each: value, and half the width of its 95 % interval.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import measuring
from pipeline import progress
from training.data import prepared
from training.results import evaluate

COLUMNS = {
    "knn_20": "kNN-20",
    "recall_at_1": "recall_at_1",
    "recall_at_30": "hit-rate@30",
    "precision_at_30": "precision_at_30",
    "map_at_r": "map_at_r",
    "similarity_precision": "category triplets",
    "similarity_precision_in_class": "in-class golden",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", default="", help="whose embeddings are the golden feature's semantic part")
    parser.add_argument("--split", choices=("test", "dev"), default="test")
    parser.add_argument("--labels", choices=("all", "open", "closed"), default="all")
    parser.add_argument("--limit", type=int, default=0, help="queries a label; 0 = all")
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()

    data = prepared.load(asked.data)
    teacher = evaluate.encoder_of(asked.teacher) if asked.teacher else None
    print(f"{measuring.machine()}; {asked.split}, {asked.labels} labels\n", flush=True)
    print(f"| encoder | dim | {' | '.join(COLUMNS.values())} | pictures/s |")
    print("|---" * (len(COLUMNS) + 3) + "|", flush=True)
    for target in asked.targets:
        with progress.shown("auto") as show:
            report = evaluate.evaluate(
                evaluate.encoder_of(target), data,
                split=asked.split, labels=asked.labels, teacher=teacher, limit=asked.limit, workers=asked.threads,
                progress=show,
            )  # fmt: skip
        cells = [cell(report["metrics"][name]) for name in COLUMNS]
        print(
            f"| {target} | {report['dim']} | {' | '.join(cells)} | {report['pictures_per_second']:,.0f} |", flush=True
        )
    return 0


def cell(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} ± {(found['high'] - found['low']) / 2:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
