"""Whether a search by aspect does what its weights say, on the labelled pictures of a gallery.

    python -m benchmarks.aspects GALLERY [--queries 200]

Pictures of the gallery ask for 24 others, by each weighting. Printed: the median over queries of the hits' median distance
(1 − cosine) in colour and in texture, and of meaning (the score); the share of hits with the query's label; milliseconds, p50.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from benchmarks import measuring
from pipeline.gallery import appearances
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import sync
from pipeline.search import by_aspect
from pipeline.search.search import Query, SearchResult, search
from pipeline.settings import Settings

K = 24
WEIGHTS = (
    "meaning=1", "colour=1", "texture=1", "colour=1,meaning=1", "colour=0.5,meaning=1", "texture=1,meaning=1",
    "colour=1,meaning=-0.5", "colour=1,texture=-0.5",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("gallery")
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args()
    gallery = open_gallery(given.gallery, Settings())
    store, seen = sync.exact_store(gallery), appearances.of_gallery(gallery)
    labels = dict(zip(seen.rows.table["id"], seen.rows.table["label"], strict=True))
    queries = np.random.default_rng(0).permutation(sorted(labels))[: given.queries]

    def ask(own: str, aspects: str) -> SearchResult:
        return search(
            gallery, store, None, Query(ids=(own,)), k=K, aspects=aspects, appearances=seen, rerank="none"
        )  # fmt: skip

    def far(own: str, result: SearchResult, name: str) -> float:
        rows = [seen.rows_of[hit.id] for hit in result.hits]
        asked = seen.features(name, [seen.rows_of[own]])[0]
        return float(np.median(1 - seen.features(name, rows) @ asked))

    rows = []
    for aspects in WEIGHTS:
        answers, spent = {}, []
        for own in queries:
            begun = time.perf_counter()
            answers[own] = ask(own, aspects)
            spent.append(1000 * (time.perf_counter() - begun))
        rows.append(
            (
                aspects,
                *(
                    f"{statistics.median(far(own, answers[own], name) for own in queries):.3f}"
                    for name in by_aspect.LOOKS
                ),
                f"{statistics.median(float(np.median([h.score for h in answers[own].hits])) for own in queries):.3f}",
                f"{np.mean([h.label == labels[own] for own in queries for h in answers[own].hits]):.3f}",
                f"{statistics.median(spent):.0f}",
            )
        )
    print(measuring.machine())
    print(f"{gallery.name}: {len(labels):,} pictures, {gallery.encoder()['spec']}, {len(queries)} queries")
    heading = ("weights", "colour, distance", "texture, distance", "score", "label kept", "p50 ms")
    print(measuring.table(heading, rows))


if __name__ == "__main__":
    main()
