"""What re-ranking brings, and whether a cut-off keeps what it promises, on labelled pictures that taught neither.

    python -m benchmarks.trust NAME=DATASET-SPEC … [--encoder SPEC …] [--each 0] [--keep FOLDER]

Half of the pictures of each label are the gallery: on its labels the re-ranker is chosen and the confidence learned.
Queries, at most 400, come from the other half. Embeddings are kept in --keep. Printed per dataset and encoder: map_at_r by
score and re-ranked, their difference with 95 % query by query, the wrong share where at most one in ten is asked for, the
right hits of that beside those of the best cut of each query, the share right in each band, and how often "no strong
match" is said when the gallery has the query's label and when those pictures are taken out.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from benchmarks import measuring
from pipeline import plugins
from pipeline.gallery import confidence, ranking
from pipeline.metrics.intervals import interval
from pipeline.metrics.retrieval import average_precision_at_r
from pipeline.records import SearchHit
from training.results.evaluate import encode, of_files

QUERIES = 400
ASKED = 0.1


def embedded(spec: str, dataset_spec: str, each: int, keep: Path) -> tuple[np.ndarray, np.ndarray]:
    """(n, dim) and labels (n,) of `each` pictures of every label (0 = all), drawn once; kept on disk."""
    dataset = plugins.build("datasets", dataset_spec)
    dataset.prepare(lambda *_: None)
    by_label: dict[str, list[str]] = {}
    for record in dataset.records():
        if record.label:
            by_label.setdefault(record.label, []).append(record.path)
    random = np.random.default_rng(0)
    drawn = [
        (label, paths[i])
        for label, paths in sorted(by_label.items())
        for i in random.permutation(len(paths))[: each or None]
    ]
    encoder = plugins.build("encoders", spec, device="cpu")
    name = hashlib.sha256(f"{encoder.fingerprint} {dataset_spec} {each}".encode()).hexdigest()[:16]
    file = keep / f"{name}.npy"
    if not file.is_file():
        rows = encode(encoder, len(drawn), of_files(dataset.root, [path for _, path in drawn]))
        keep.mkdir(parents=True, exist_ok=True)
        np.save(file, rows)
    return np.load(file), np.array([label for label, _ in drawn])


def first_hits(query: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> list[SearchHit]:
    scores = rows @ query
    order = np.argsort(-scores, kind="stable")[: confidence.DEPTH]
    return [SearchHit(id=str(i), score=float(scores[i]), path="", label=str(labels[i])) for i in order]


def map_at_r(order: np.ndarray, labels: np.ndarray, label: str) -> float:
    return float(average_precision_at_r(labels[order][None], [label], np.array([(labels == label).sum()]))[0])


def measured(name: str, spec: str, rows: np.ndarray, labels: np.ndarray) -> tuple[str, ...]:
    random = np.random.default_rng(1)
    half = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        mine = random.permutation(np.flatnonzero(labels == label))
        half[mine[: (len(mine) + 1) // 2]] = True
    gallery, truth = rows[half], labels[half]
    asking = random.permutation(np.flatnonzero(~half & np.isin(labels, truth)))[:QUERIES]
    chosen = ranking.choose(ranking.measure(gallery, truth))
    mean, by_score, better = gallery.mean(axis=0), plugins.build("rerank", "none"), plugins.build("rerank", chosen)
    learned = confidence.learn(gallery, truth)
    plain, again, wrong, kept, best, right = [], [], 0, 0, 0, 0
    bands: dict[str, list[bool]] = {"strong": [], "possible": [], "weak": []}
    silent, alarms = [], []
    for row in asking:
        query, label = rows[row], labels[row]
        plain.append(map_at_r(ranking.ranked(by_score, query, gallery, mean), truth, label))
        again.append(map_at_r(ranking.ranked(better, query, gallery, mean), truth, label))
        if not learned:
            continue
        hits = first_hits(query, gallery, truth)
        sure = np.array(confidence.estimate(learned, hits, hits))
        good = np.array([hit.label == label for hit in hits])
        over = sure >= confidence.threshold(learned, ASKED)
        wrong, kept, right = wrong + int((over & ~good).sum()), kept + int(over.sum()), right + int((over & good).sum())
        fine = np.flatnonzero(np.cumsum(~good) / np.arange(1, len(good) + 1) <= ASKED)
        best += int(good[: fine[-1] + 1].sum()) if len(fine) else 0
        for probability, is_right in zip(sure, good, strict=True):
            bands[confidence.band(learned, probability)].append(bool(is_right))
        alarms.append(bool(confidence.is_novel(learned, hits)))
        others = truth != label
        if others.sum() > confidence.DEPTH:
            lacking = first_hits(query, gallery[others], truth[others])
            silent.append(bool(confidence.is_novel(learned, lacking)))
    gain = interval(np.array(again) - np.array(plain), seed=0)
    share = {band: f"{np.mean(of):.2f} of {len(of):,}" if of else "none" for band, of in bands.items()}
    return (
        name, spec, f"{np.mean(plain):.3f}", f"{chosen} {np.mean(again):.3f}",
        f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
        f"{wrong / kept:.3f}" if kept else "nothing kept", f"{right / best:.2f}" if best else "",
        share["strong"], share["possible"], share["weak"],
        f"{np.mean(alarms):.2f}" if alarms else "", f"{np.mean(silent):.2f}" if silent else "",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("datasets", nargs="+", help="NAME=SPEC")
    parser.add_argument("--encoder", nargs="+", default=["deep_ranking"])
    parser.add_argument("--each", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("data/cache/trust"))
    asked = parser.parse_args()
    rows = []
    for text in asked.datasets:
        name, _, spec = text.partition("=")
        for encoder in asked.encoder:
            rows.append(measured(name, encoder, *embedded(encoder, spec, asked.each, asked.keep)))
    print(measuring.machine())
    heading = (
        "dataset", "encoder", "map_at_r by score", "re-ranked", "difference", f"wrong, asked {ASKED:.0%}",
        "right ÷ best cut", "right in strong", "possible", "weak", "no strong match, label there", "label taken out",
    )  # fmt: skip
    print(measuring.table(heading, rows))


if __name__ == "__main__":
    main()
