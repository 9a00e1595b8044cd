"""What a re-ranker that was chosen without labels is worth by the labels that were hidden.

    python -m benchmarks.unlabelled GALLERY …

Of each labelled gallery: the re-ranker that views of its own pictures choose, the one that its labels choose, and what the
first adds to map_at_r by the labels, with 95 % query by query.
"""

from __future__ import annotations

import argparse
import time

from benchmarks import measuring
from pipeline.gallery import ranking
from pipeline.gallery.opening import open_gallery
from pipeline.search.search import load_encoder
from pipeline.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("galleries", nargs="+")
    table = []
    for name in parser.parse_args().galleries:
        gallery = open_gallery(name, Settings())
        rows, encoder = gallery.rows(), load_encoder(gallery, device="cpu")
        begun = time.perf_counter()
        on_views = ranking.measure_on_views(gallery, rows, encoder)
        spent = time.perf_counter() - begun
        by_labels = {one.spec: one for one in ranking.measure(rows.embeddings, rows.table["label"].to_numpy(str))}
        chosen, best = ranking.choose(on_views), ranking.choose(list(by_labels.values()))
        gain, plain = by_labels[chosen], by_labels[ranking.NONE]
        figures = {one.spec: f"{one.spec} {one.gain:+.3f} ({one.low:+.3f} to {one.high:+.3f})" for one in on_views}
        table.append(
            (
                name, gallery.encoder()["spec"], f"{len(rows):,}",
                "; ".join(text for spec, text in figures.items() if spec != ranking.NONE), chosen, best,
                f"{plain.map_at_r:.3f}", f"{gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
                f"{by_labels[best].gain:+.3f}", f"{spent:.1f} s",
            )
        )  # fmt: skip
    print(measuring.machine())
    heading = (
        "gallery", "encoder", "pictures", "gain on views", "views choose", "labels choose", "map_at_r by score",
        "gain of the views' choice", "of the labels'", "time",
    )  # fmt: skip
    print(measuring.table(heading, table))


if __name__ == "__main__":
    main()
