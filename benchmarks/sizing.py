"""What 1 million, 100 million and 1 billion pictures ask for, on paper: machines, hours, bytes.

    python -m benchmarks.sizing [--dim 384] [--rate 165] [--hours 24] [--node-gb 256] [--replicas 1]

Every input is a line of INPUTS: measured, with its source, or an assumption. Nothing here was run at such a size.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

from benchmarks import measuring

SIZES = (1_000_000, 100_000_000, 1_000_000_000)


@dataclass(frozen=True)
class Input:
    value: float
    unit: str
    source: str


INPUTS = {
    "rate": Input(
        165, "pictures/s a core", "measured: benchmarks/results.md, ingest c, 331/s on 2 cores, mobilenet_v3_small"
    ),
    "writer": Input(
        0.6, "ms a picture", "measured: benchmarks/results.md, thumbnail files 0.4 and parts 0.2, in the one writer"
    ),
    "picture": Input(10_775, "bytes", "measured: mean of the 3,781 clothing photos as they are on disk"),
    "beside": Input(
        768, "bytes a row", "measured: 2,303,562 bytes of parts for 1,000 photos with deep_ranking, less 384 × 4"
    ),
    "thumbnail": Input(11_414, "bytes", "measured: mean of 1,000 thumbnails of clothing"),
    "block": Input(4_096, "bytes", "assumed: a file takes whole blocks on disk; object storage has none"),
    "scalars": Input(400, "bytes a row", "assumed: id, path, label, metadata, digest in Milvus"),
    "links": Input(32, "neighbours", "assumed: HNSW with M 16 keeps 2 × 16 links of 4 bytes, and a few percent above"),
    "headroom": Input(1.3, "times", "assumed: memory of a query node beside its index"),
    "disk_copies": Input(3, "times", "assumed: object storage of Milvus: binlogs, index files, compaction"),
}


def index_bytes(dim: int) -> dict[str, tuple[float, float]]:
    """Of one row: (in memory, on the query node's disk). Formulas of the structures, not measured."""
    links = INPUTS["links"].value * 4 * 1.05
    return {
        "HNSW": (4 * dim + links, 0),
        "HNSW_SQ": (dim + links, 0),
        "IVF_SQ8": (dim + 8, 0),
        "IVF_PQ, m = dim / 4": (dim / 4 + 8, 0),
        "IVF_RABITQ": (dim / 8 + 16, 0),
        "IVF_RABITQ refined by SQ8": (dim / 8 + 16 + dim, 0),
        "DISKANN": (dim / 4, (4 * dim + 56 * 4) * 1.1),  # codes in memory; embedding and 56 links in pages on disk
    }


def amount(size: float) -> str:
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:,.1f} {unit}"
    return f"{size:,.0f} B"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=384, help="384 is deep_ranking's")
    parser.add_argument("--rate", type=float, default=INPUTS["rate"].value, help="pictures a second of one core or GPU")
    parser.add_argument("--hours", type=float, default=24, help="how long an ingest may take")
    parser.add_argument("--node-gb", type=float, default=256, help="memory of a query node")
    parser.add_argument("--replicas", type=int, default=1, help="copies of the index in memory")
    asked = parser.parse_args()

    print(measuring.table(("input", "value", "unit", "where from"), _inputs()))
    print(f"\ndim {asked.dim}, {asked.rate:g} pictures/s a core (or GPU), {asked.replicas} replica\n")
    print(measuring.table(("", *(f"{size:,}" for size in SIZES)), _ingest(asked.dim, asked.rate, asked.hours)))
    print()
    print(measuring.table(("memory: index (nodes)", *(f"{size:,}" for size in SIZES)), _indexes(asked)))
    return 0


def _inputs() -> list[tuple[object, ...]]:
    return [(name, f"{one.value:,g}", one.unit, one.source) for name, one in INPUTS.items()]


def _ingest(dim: int, rate: float, hours: float) -> list[tuple[str, ...]]:
    value = {name: one.value for name, one in INPUTS.items()}
    row = 4 * dim + value["beside"]
    thumbnail = math.ceil(value["thumbnail"] / value["block"]) * value["block"]
    stored = (4 * dim + value["scalars"]) * value["disk_copies"]

    def line(name: str, make: object) -> tuple[str, ...]:
        assert callable(make)
        return (name, *(make(size) for size in SIZES))

    return [
        line("hours on one core (or GPU)", lambda n: f"{n / rate / 3600:,.1f}"),
        line(f"cores (or GPUs) for {hours:g} hours", lambda n: f"{math.ceil(n / rate / 3600 / hours):,}"),
        line(
            f"galleries (writers) for {hours:g} hours", lambda n: f"{math.ceil(n * value['writer'] / 3.6e6 / hours):,}"
        ),
        line("pictures, read once", lambda n: amount(n * value["picture"])),
        line("network for that, all together", lambda n: amount(n * value["picture"] / hours / 3600) + "/s"),
        line("Parquet parts", lambda n: amount(n * row)),
        line("thumbnails (whole blocks)", lambda n: amount(n * thumbnail)),
        line("Milvus' object storage", lambda n: amount(n * stored)),
    ]


def _indexes(asked: argparse.Namespace) -> list[tuple[str, ...]]:
    rows = []
    for name, (memory, disk) in index_bytes(asked.dim).items():
        cells = []
        for size in SIZES:
            needed = size * memory * INPUTS["headroom"].value * asked.replicas
            nodes = math.ceil(needed / (asked.node_gb * 1e9))
            cells.append(f"{amount(needed)} ({nodes})" + (f" + {amount(size * disk)} disk" if disk else ""))
        rows.append((name, *cells))
    return rows


if __name__ == "__main__":
    sys.exit(main())
