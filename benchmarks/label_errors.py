"""How well wrong labels, strangers and kinds are found in clothing: labels flipped, rendered pictures planted on purpose.

    python -m benchmarks.label_errors [--encoder deep_ranking] [--seeds 5] [--share 0.05] [--home FOLDER]

Labels: of the flipped ones, the share in the top 10 % of the list against chance (10 is the most there can be), the share
of the list's first rows that is flipped, and what the list would be with self-confidence or the margin alone. Outliers:
rendered products among the photos, by the mean score to the nearest and by the local outlier factor. Clusters: agreement
with the labels, beside plain HDBSCAN. Exit 1 when the first ratio is below 4 for any seed.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import CLOTHING, machine, say, table, verdict
from pipeline.records import Neighbours

RATIO = 4.0
TOP = 0.1
RENDERED, PLANTED = 30, 10


def flipped(marks: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels with some changed to another one, and which: (n,) int and (n,) bool."""
    random = np.random.default_rng(seed)
    wrong = np.zeros(len(marks), bool)
    wrong[random.choice(len(marks), round(share * len(marks)), replace=False)] = True
    count = marks.max() + 1
    return np.where(wrong, (marks + random.integers(1, count, len(marks))) % count, marks), wrong


def ratio(order: np.ndarray, wanted: np.ndarray) -> float:
    """How many times as many of the wanted are in the top of the list as chance would put there."""
    top = int(np.ceil(TOP * len(order)))
    return float(wanted[order[:top]].sum() / wanted.sum() / (top / len(order)))


def labels(known: Neighbours, marks: np.ndarray, *, seeds: int, share: float) -> list[float]:
    """Prints a table of the seeds; returns the ratios."""
    from pipeline.analysis.label_errors import judge

    rows, ratios = [], []
    for seed in range(seeds):
        given, wrong = flipped(marks, share, seed)
        found = judge(known, given)
        order, count = found.order(), int(wrong.sum())
        ratios.append(ratio(order, wrong))
        shares = [f"{wrong[order[:first]].mean():.3f}" for first in (20, 60, count)]
        alone = [np.argsort(doubt, kind="stable") for doubt in (found.own, found.own - found.other)]
        others = [f"{ratio(one, wrong):.2f}, {wrong[one[:60]].mean():.3f}" for one in alone]
        rows.append(
            [
                seed,
                count,
                f"{wrong[order[: int(np.ceil(TOP * len(order)))]].mean():.3f}",
                f"{ratios[-1]:.2f}",
                *shares,
                *others,
            ]
        )
    heading = [
        "seed",
        "flipped",
        "share of the top 10 %",
        "× chance",
        "of the first 20",
        "of 60",
        "of as many as flipped",
    ]
    print(table([*heading, "self-confidence alone: × chance, of 60", "margin alone"], rows) + "\n")
    return ratios


def strangers(photos: np.ndarray, rendered: np.ndarray, *, seeds: int) -> None:
    """Prints how early PLANTED rendered pictures come in the lists of outliers."""
    from pipeline.analysis import outliers
    from pipeline.gallery import neighbours

    figures: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(seeds):
        chosen = np.random.default_rng(seed).choice(len(rendered), PLANTED, replace=False)
        mixed = np.concatenate([photos, rendered[chosen]])
        planted = np.arange(len(mixed)) >= len(photos)
        known = neighbours.exact(mixed, k=50)
        for k in (5, 20, 50):
            some = known.first(k)
            for name, odd in (("mean score", -outliers.closeness(some)), ("local factor", outliers.local_factor(some))):
                order = np.argsort(-odd, kind="stable")
                places = np.flatnonzero(planted[order])  # (PLANTED,) from 0
                below = (places - np.arange(PLANTED)).mean() / len(photos)
                top5 = planted[order[: len(mixed) // 20]].sum() / PLANTED
                figures.setdefault(f"{name}, k={k}", []).append((1 - below, ratio(order, planted), top5))
    rows = [[name, *(f"{value:.3f}" for value in np.mean(found, axis=0))] for name, found in figures.items()]
    print(table(["outliers by", "area under ROC", "top 10 %, × chance", "share found in the top 5 %"], rows) + "\n")


def kinds(embeddings: np.ndarray, marks: np.ndarray) -> None:
    from sklearn.cluster import HDBSCAN
    from sklearn.metrics import adjusted_mutual_info_score

    from pipeline.analysis import grouping
    from pipeline.features import pca

    smallest = grouping.smallest_of(len(marks))
    mean, axes, _ = pca.fit(embeddings)
    reduced = (embeddings - mean) @ axes[: grouping.AXES].T
    ways = {
        "hdbscan as it is": HDBSCAN(min_cluster_size=smallest, min_samples=grouping.CORE, copy=True).fit_predict(
            reduced
        ),
        "hdbscan of drawn embeddings": grouping.dense(embeddings, smallest=smallest),
        "kmeans, number by silhouette": grouping.best_k_means(embeddings, seed=0)[0],
    }
    rows = []
    for way, groups in ways.items():
        inside = groups >= 0
        together = sum(np.bincount(marks[groups == group]).max() for group in range(groups.max() + 1))
        agree = adjusted_mutual_info_score(marks, groups)
        cells = [groups.max() + 1, f"{inside.mean():.3f}", f"{together / inside.sum():.3f}", f"{agree:.3f}"]
        rows.append([way, *cells])
    print(
        table(["clusters", "number", "share in one", "purity", "adjusted mutual information with labels"], rows) + "\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="deep_ranking")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05, help="of labels that are flipped")
    parser.add_argument("--home", type=Path, help="keep the galleries here")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="label-errors-")))
        return measure(asked, asked.home or temporary)


def measure(asked: argparse.Namespace, home: Path) -> int:
    from pipeline import plugins
    from pipeline.analysis.label_errors import K
    from pipeline.gallery import neighbours
    from pipeline.gallery.opening import create_gallery
    from pipeline.ingest import ingest
    from pipeline.progress import shown
    from pipeline.settings import Settings

    encoder = plugins.build("encoders", asked.encoder, device="cpu")
    specs = {
        "clothing": f"folder:root={CLOTHING}",
        "rendered": f"catalogue:items={RENDERED},views=1,size=160,root={home / 'rendered'}",
    }
    held = {}
    with shown("auto") as show:
        for name, spec in specs.items():
            gallery, dataset = create_gallery(name, Settings(home=home)), plugins.build("datasets", spec)
            dataset.prepare(show)
            ingest.ingest(gallery, dataset, encoder, spec=asked.encoder, store=None, dataset_spec=spec, progress=show)
            held[name] = gallery.rows()
    photos = held["clothing"]
    marks = np.unique(photos.table["label"], return_inverse=True)[1]
    known = neighbours.exact(photos.embeddings, k=K)
    right = float((marks == marks[known.rows[:, 0]]).mean())
    print(
        f"{machine()}; {asked.encoder}; {len(marks):,} photos, {marks.max() + 1} labels, nearest has the same: {right:.3f}\n"
    )
    ratios = labels(known, marks, seeds=asked.seeds, share=asked.share)
    say(f"planting {PLANTED} of {RENDERED} rendered pictures")
    strangers(photos.embeddings, held["rendered"].embeddings, seeds=asked.seeds)
    kinds(photos.embeddings, marks)
    name = f"flipped labels in the top {TOP:.0%}, times chance, least of {asked.seeds} seeds"
    return 0 if verdict(name, min(ratios), RATIO, at_least=True) else 1


if __name__ == "__main__":
    raise SystemExit(main())
