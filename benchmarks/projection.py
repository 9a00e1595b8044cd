"""What our maps cost beside the libraries used plainly, neighbours included, and whether they can be trusted as much.

    python -m benchmarks.projection [--rows 5000,20000] [--dim 512] [--seed 0] [--methods umap,tsne]

In one process, on the same made-up embeddings (50 groups, most of the variance in 24 directions each, unit length),
after a small round that compiles and loads everything:

ours umap    the neighbours as `project` finds them (up to 10,000 rows 90 exact ones, which the gallery keeps, else by
             NN-descent), then projections/umap.py with its defaults
plain umap   umap.UMAP(random_state=seed).fit_transform(embeddings)
ours tsne    the same, then projections/tsne.py with its defaults
plain tsne   sklearn.manifold.TSNE(random_state=seed).fit_transform(embeddings)

Trustworthiness is map_trust's at k = 15, of the same sample for both. Bars: UMAP at least 1.3 times as fast, t-SNE 2.5
times, with a trustworthiness at most 0.01 lower. Exit code 1 when one is missed. Others' share of the cores is printed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

from benchmarks import measuring
from pipeline import plugins
from pipeline.gallery import neighbours
from pipeline.metrics import map_trust

BARS = {"umap": 1.3, "tsne": 2.5}
LOWER = 0.01  # of trustworthiness
WARM_UPS = (
    500,
    4200,
    10_001,
)  # rows, of 16 dimensions: below 4,096 umap-learn measures all pairs, which is other compiled code

Made = tuple[np.ndarray, dict[str, float]]  # points, seconds of each part


def embeddings(rows: int, dim: int, seed: int) -> np.ndarray:
    """(rows, dim) float32 of unit length."""
    random = np.random.default_rng(seed)
    groups = random.integers(50, size=rows)
    centres = random.normal(size=(50, dim))
    directions = random.normal(size=(50, 24, dim)) / 24**0.5
    made = centres[groups] + 0.2 * random.normal(size=(rows, dim))
    for group in range(50):
        here = groups == group
        made[here] += 1.2 * random.normal(size=(int(here.sum()), 24)) @ directions[group]
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def ours(method: str, rows: np.ndarray, seed: int) -> Made:
    begun = time.perf_counter()
    projector = plugins.build("projections", f"{method}:engine=cpu")
    known = neighbours.nearly(
        rows, k=neighbours.KEPT if len(rows) <= neighbours.EXACT_UP_TO else projector.wanted, seed=seed
    )
    found = time.perf_counter()
    made = projector.fit(rows, neighbours=known, seed=seed)
    return made.points, {"neighbours": found - begun, "map": time.perf_counter() - found}


def plain(method: str, rows: np.ndarray, seed: int) -> Made:
    if method == "umap":
        import umap

        make: Callable[[np.ndarray], np.ndarray] = umap.UMAP(random_state=seed, n_jobs=1).fit_transform
    else:
        from sklearn.manifold import TSNE

        make = TSNE(random_state=seed).fit_transform
    begun = time.perf_counter()
    points = make(rows)
    return np.asarray(points), {"map": time.perf_counter() - begun}


def compare(method: str, rows: np.ndarray, seed: int) -> tuple[list[list[str]], bool]:
    """Lines of the table, and whether the bars were met."""
    lines, taken, worked, trust = [], {}, {}, {}
    for name, make in (("ours", ours), ("plain", plain)):
        measuring.say(f"{name} {method}, {len(rows):,} rows …")
        clock = measuring.Clock()
        points, seconds = make(method, rows, seed)
        pace = clock.pace(1)
        worked[name] = pace.processor / 1000
        taken[name] = sum(seconds.values())
        trust[name] = map_trust.measure(rows, points, seed=seed).trustworthiness
        parts = " + ".join(f"{part} {second:.1f}" for part, second in seconds.items())
        lines.append(
            [
                f"{name} {method}",
                f"{len(rows):,}",
                f"{taken[name]:.1f}",
                parts,
                f"{trust[name]:.4f}",
                f"{worked[name]:.1f}",
                f"{pace.others:.0%}",
            ]
        )
    size = f"{method}, {len(rows):,} rows"
    fast = measuring.verdict(f"{size}: times as fast", taken["plain"] / taken["ours"], BARS[method], at_least=True)
    print(
        f"       {size}: {worked['plain'] / worked['ours']:.2f} times by processor time, which a busy machine changes less"
    )
    good = measuring.verdict(f"{size}: trustworthiness lost", trust["plain"] - trust["ours"], LOWER)
    return lines, fast and good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="5000,20000")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", default="umap,tsne")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries, about threads and TensorFlow
    print(f"{measuring.machine()}; seed {asked.seed}, {asked.dim} dimensions")
    lines, met = [], True
    for method in asked.methods.split(","):
        for count in WARM_UPS:
            for make in (ours, plain):
                make(method, embeddings(count, 16, asked.seed), asked.seed)
        for size in asked.rows.split(","):
            told, good = compare(method, embeddings(int(size), asked.dim, asked.seed), asked.seed)
            lines, met = lines + told, met and good
    print(measuring.table(["what", "rows", "seconds", "parts", "trustworthiness", "processor s", "others"], lines))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
