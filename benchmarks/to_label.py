"""How well what to label next covers photos, what labels of it teach, and how long the choice takes.

    python -m benchmarks.to_label [--dataset clothing] [--encoder deep_ranking] [--seeds 10] [--home FOLDER]

Of each seed a random 80 % of the train split is chosen from, so many pictures as five for each label. Covered: the mean
cosine distance to the nearest chosen one, against random picks. Taught: the share of the other splits (or of the other 20 %)
whose nearest chosen picture has its label, with 95 % intervals over the seeds. Time: greedy k-centre of 1,000 among 100,000
embeddings of 384 dimensions. Exit 1 when it takes over 20 s, or covering is not nearer than random picks.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import CLOTHING, machine, table, verdict
from pipeline.analysis import picking
from pipeline.metrics.intervals import interval

EACH = 5  # labels a kind
ROWS, DIM, PICKS, SECONDS = 100_000, 384, 1_000, 20.0


def timed() -> float:
    """Seconds of k-centre among random embeddings in 200 heaps."""
    random = np.random.default_rng(0)
    middles = random.normal(size=(200, DIM)).astype(np.float32)
    embeddings = middles[random.integers(0, 200, ROWS)] + 0.8 * random.normal(size=(ROWS, DIM)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    begun = time.perf_counter()
    picking.farthest(embeddings, PICKS)
    return time.perf_counter() - begun


def measure(embeddings: np.ndarray, marks: np.ndarray, train: np.ndarray, *, seeds: int) -> dict[str, list[float]]:
    """Prints a row a way; returns the distances left by each."""
    count = EACH * (int(marks.max()) + 1)
    left: dict[str, list[float]] = {}
    right: dict[str, list[float]] = {}
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        pool = np.sort(random.choice(train, round(0.8 * len(train)), replace=False))
        tested = np.setdiff1d(np.arange(len(marks)), train)
        tested = tested if len(tested) else np.setdiff1d(train, pool)
        seen, none = embeddings[pool], np.empty(0, int)
        ways = {
            "random": random.choice(len(pool), count, replace=False),
            "covering": picking.covering(seen, count, seed=seed),
            "diverse": picking.farthest(seen, count),
            "typical": picking.central(seen, count, seed=seed),
        }
        for way, picks in ways.items():
            distance = (
                picking.by_chance(seen, count, known=none, seed=seed)
                if way == "random"
                else picking.distance_left(seen, picks)
            )
            left.setdefault(way, []).append(distance)
            nearest = pool[picks][(embeddings[tested] @ seen[picks].T).argmax(axis=1)]
            right.setdefault(way, []).append(float((marks[nearest] == marks[tested]).mean()))
    rows = []
    for way in left:
        taught = interval(np.array(right[way]), seed=0)
        better = 1 - np.mean(left[way]) / np.mean(left["random"])
        gain = interval(np.array(right[way]) - np.array(right["random"]), seed=0)
        more = "" if way == "random" else f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        rows.append(
            [
                way,
                f"{np.mean(left[way]):.3f}",
                f"{better:.1%}",
                f"{taught.value:.3f} ({taught.low:.3f} to {taught.high:.3f})",
                more,
            ]
        )
    print(table(["way", "distance left", "less than random", "nearest has the label", "than random"], rows) + "\n")
    return left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="clothing", help="clothing, or a dataset's spec with labels")
    parser.add_argument("--encoder", default="deep_ranking")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--home", type=Path, help="keep the gallery here")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = asked.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="to-label-")))
        rows = _rows(asked.dataset, asked.encoder, home)
    labels = rows.table["label"].to_numpy().astype(str)
    marks = np.unique(labels, return_inverse=True)[1]
    parts = rows.table["path"].str.split("/").str[0].to_numpy()
    train = np.flatnonzero((rows.table["split"] == "train").to_numpy() | (parts == "train"))
    train = train if len(train) else np.arange(len(labels))
    print(
        f"{machine()}; {asked.encoder}; {len(train):,} of {len(labels):,} pictures to choose from, {asked.seeds} seeds\n"
    )
    left = measure(rows.embeddings, marks, train, seeds=asked.seeds)
    worst = max(a / b for a, b in zip(left["covering"], left["random"], strict=True))
    covered = verdict("distance left by covering, times that of random picks, most of all seeds", worst, 1.0)
    quick = verdict(f"k-centre of {PICKS:,} among {ROWS:,} x {DIM}", timed(), SECONDS, "s")
    return 0 if covered and quick else 1


def _rows(spec: str, encoder: str, home: Path):  # type: ignore[no-untyped-def]
    from pipeline import plugins
    from pipeline.gallery.opening import create_gallery
    from pipeline.ingest import ingest
    from pipeline.progress import shown
    from pipeline.settings import Settings

    spec = f"folder:root={CLOTHING}" if spec == "clothing" else spec
    gallery, dataset = create_gallery("measured", Settings(home=home)), plugins.build("datasets", spec)
    with shown("auto") as show:
        dataset.prepare(show)
        built = plugins.build("encoders", encoder, device="cpu")
        ingest.ingest(gallery, dataset, built, spec=encoder, store=None, dataset_spec=spec, progress=show)
    return gallery.rows()


if __name__ == "__main__":
    raise SystemExit(main())
