"""How often the first label that a gallery gives an unlabelled picture is that picture's own.

python -m benchmarks.annotation GALLERY: one split of the gallery asks, another one answers. Nothing is changed.
"""

from __future__ import annotations

import argparse

import numpy as np

from pipeline.analysis import carried_terms, terms
from pipeline.analysis.carried_terms import LABEL, Carried
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.metrics.retrieval import nearest
from pipeline.records import Rows, SearchHit
from pipeline.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gallery")
    parser.add_argument("--asks", default="test", help="split whose pictures are the uploads")
    parser.add_argument("--answers", default="train", help="split that is the gallery")
    parser.add_argument("-k", type=int, nargs="+", default=[terms.K])
    given = parser.parse_args()
    gallery = open_gallery(given.gallery, Settings())
    rows = gallery.rows()
    asks, answers = (part(rows, split) for split in (given.asks, given.answers))
    known = known_of(answers)
    labels = answers.table["label"].to_numpy(object)
    scores, found = nearest(asks.embeddings, answers.embeddings, k=max(given.k))
    truth = asks.table["label"].tolist()
    print(
        f"{given.gallery}, {gallery.encoder()['spec']}: {len(asks):,} of split {given.asks} ask {len(answers):,} of split "
        f"{given.answers}; nothing is drawn, so no seed"
    )
    first = labels[found[:, 0]] == np.array(truth, object)
    print(f"label of the nearest picture alone: {first.mean():.4f}")
    for k in given.k:
        told = [annotated(gallery, known, answers, found[row], scores[row], k) for row in range(len(asks))]
        report(k, told, truth)


def part(rows: Rows, split: str) -> Rows:
    return rows.take((rows.table["split"] == split).to_numpy())


def known_of(rows: Rows) -> Carried:
    """Labels only, as if these rows were the whole gallery."""
    ids = rows.table["id"].to_numpy(object)
    kinds = [(LABEL, "", value, here) for value, here in carried_terms.grouped(rows.table["label"].tolist(), least=1)]
    return carried_terms.numbered(ids, dict(zip(ids.tolist(), range(len(ids)), strict=True)), kinds)


def annotated(
    gallery: Gallery, known: Carried, rows: Rows, found: np.ndarray, scores: np.ndarray, k: int
) -> tuple[str, float]:
    """The first label and its confidence; '' and 0 when no label is said."""
    ids = rows.table["id"]
    hits = [SearchHit(id=ids[row], score=float(score)) for row, score in zip(found, scores, strict=True)]
    guesses = terms.annotate(gallery, hits, k=k, carried=known)
    return (guesses[0].term.value, guesses[0].confidence) if guesses else ("", 0.0)


def report(k: int, told: list[tuple[str, float]], truth: list[str]) -> None:
    right = np.array([label == own for (label, _), own in zip(told, truth, strict=True)])
    sure = np.array([confidence for _, confidence in told])
    error = 1.96 * (right.mean() * (1 - right.mean()) / len(right)) ** 0.5
    print(f"k {k:3d}: first label right {right.mean():.4f} ± {error:.4f} (95 %), mean confidence {sure.mean():.4f}")
    for low, high in ((0.0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        here = (sure >= low) & (sure < high)
        if here.any():
            print(
                f"       confidence {low:.1f} to {min(high, 1):.1f}: {here.sum():4d} pictures, {right[here].mean():.3f} right"
            )


if __name__ == "__main__":
    main()
