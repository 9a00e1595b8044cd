"""How long a correction takes: 1,000 pictures get another label, on the disk and in the index, and have their former one again.

    python -m benchmarks.relabel [--rows 20000] [--pictures 1000] [--dim 384] [--rounds 5]

A gallery of made-up rows in Milvus Lite. Timed are Gallery.relabel, which the next search from the files goes by, and
sync.apply_judged, which brings it into the index. Exit 1 when the median of both together takes over a second.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.filtered import rows
from benchmarks.measuring import machine, table, verdict
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import sync
from pipeline.settings import Settings

PART, SECONDS = 1_000, 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"{machine()}; {given.pictures:,} of {given.rows:,} rows of dim {given.dim}\n")
    with tempfile.TemporaryDirectory(prefix="relabel-") as folder:
        settings = Settings(home=Path(folder))
        gallery, held = create_gallery("relabel", settings), rows(given.rows, given.dim)
        with gallery.writing():
            gallery.add_encoder("color_histogram", "0" * 64, given.dim)
            for start in range(0, given.rows, PART):
                gallery.commit(gallery.current, held.take(slice(start, start + PART)))
        ids = held.table["id"].tolist()[:: max(1, given.rows // given.pictures)][: given.pictures]
        with contextlib.closing(sync.open_store(settings)) as store:
            sync.sync(gallery, store)
            disk, index = [], []
            for number in range(given.rounds):
                begun = time.perf_counter()
                undo = gallery.relabel(dict.fromkeys(ids, f"corrected {number}"))
                disk.append(time.perf_counter() - begun)
                sync.apply_judged(gallery, store, ids)
                index.append(time.perf_counter() - begun)
                gallery.relabel(undo)
                sync.apply_judged(gallery, store, ids)
        seconds = statistics.median(index)
        cells = [["on the disk", f"{statistics.median(disk):.2f}"], ["and in the index", f"{seconds:.2f}"]]
        print(table([f"{given.pictures:,} pictures", "seconds, median"], cells) + "\n")
        return 0 if verdict(f"seconds for {given.pictures:,} labels", seconds, SECONDS, at_least=False) else 1


if __name__ == "__main__":
    raise SystemExit(main())
