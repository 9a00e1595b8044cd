"""How close `ingest` comes to the speed of its two unavoidable parts, and to the loop everybody writes first.

    python -m benchmarks.ingest [--data FOLDER] [--arch NAME | --encoder SPEC] [--rounds 4] [--limit N] [--quiet-wait 60]

a  encoder alone: preprocessed arrays, the batches and threads of ingest
b  read, decode, preprocess and thumbnail alone, the threads of ingest (nothing hashed, nothing written)
c  ingest, end to end: dataset listing to settled index, Parquet parts, thumbnails and Milvus Lite in a fresh home
d  the plain loop of Milvus' own image-search tutorial: one photo at a time, PIL, torchvision's transform, a batch of
   one, one row inserted; torch with the threads it takes by itself
d1 the same with torch kept to one thread, which somebody has to know of: reported, no bar

With --encoder only a, b and c run: the plain loop is written for a network of torchvision.

All run in turn, round after round. Of each, the median counts of the half of its runs that other programs disturbed
least; their share of the cores is shown. a and b share the cores of a CPU, so the best possible is 1 / (1/a + 1/b);
beside a GPU it is min(a, b). Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import measuring
from benchmarks.measuring import Clock, Pace
from pipeline import plugins
from pipeline.gallery.opening import create_gallery
from pipeline.images import decoding, opening
from pipeline.ingest import sync
from pipeline.ingest.ingest import CHUNK, ingest
from pipeline.parallel import in_order
from pipeline.records import Encoder, ImageRecord
from pipeline.settings import Settings

if TYPE_CHECKING:
    import numpy as np

IDEAL_SHARE = 0.8
TIMES_PLAIN = 4.0
PLAIN_PICTURES = 400


def encoder_alone(encoder: Encoder, arrays: Sequence[np.ndarray]) -> Pace:
    import numpy as np

    clock = Clock()
    for _ in in_order(arrays, lambda some: encoder.encode(np.stack(some)), chunk=CHUNK):
        pass
    return clock.pace(len(arrays))


def reading_alone(encoder: Encoder, root: Path, records: Sequence[ImageRecord]) -> tuple[Pace, list[np.ndarray]]:
    """The pace, and the preprocessed arrays."""

    def work(some: Sequence[ImageRecord]) -> list[np.ndarray]:
        arrays = []
        for record in some:
            picture = opening.open_image(opening.read_file(root / record.path))
            decoding.thumbnail(picture.image)
            arrays.append(encoder.preprocess(picture.image))
        return arrays

    clock = Clock()
    found = [array for arrays in in_order(records, work, chunk=CHUNK) for array in arrays]
    return clock.pace(len(found)), found


def ours(encoder: Encoder, spec: str, data: Path, limit: int) -> Pace:
    """A first ingest; opening the store is inside, loading the encoder is not."""
    with tempfile.TemporaryDirectory() as home, _home(home):
        settings = Settings()
        clock = Clock()
        with contextlib.closing(sync.open_store(settings)) as store:
            dataset = plugins.build("datasets", f"clothing:root={data}")
            report = ingest(create_gallery("speed", settings), dataset, encoder, spec=spec, store=store, limit=limit)
            pace = clock.pace(report.added)
            assert not report.index, report.index
            assert store.count("speed") == report.added, "the index lacks rows"
    return pace


def plain_loop(arch: str, root: Path, records: Sequence[ImageRecord], threads: int) -> Pace:
    """The network and the collection exist before."""
    import torch
    from PIL import Image
    from pymilvus import MilvusClient
    from torchvision import models

    transform: Any = models.get_model_weights(arch).DEFAULT.transforms()
    network = models.get_model(arch, weights=None).eval()
    network.classifier[-1] = torch.nn.Identity()  # as in ours, the last layer's input is the embedding
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as home:
        client = MilvusClient(str(Path(home) / "plain.db"))
        dim = network(torch.zeros(1, 3, 224, 224)).shape[1]
        client.create_collection(
            "plain",
            vector_field_name="vector",
            dimension=dim,
            auto_id=True,
            enable_dynamic_field=True,
            metric_type="COSINE",
        )
        clock = Clock()
        for record in records:
            image = Image.open(root / record.path).convert("RGB")
            with torch.no_grad():
                vector = network(transform(image)[None])[0]
            vector = (vector / vector.norm()).numpy()
            client.insert("plain", {"vector": vector, "filename": record.path})
        pace = clock.pace(len(records))
        client.close()
    return pace


@contextlib.contextmanager
def _home(folder: str) -> Iterator[None]:
    before = os.environ.get("SEMBLANCE_HOME")
    os.environ["SEMBLANCE_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["SEMBLANCE_HOME"]
        else:
            os.environ["SEMBLANCE_HOME"] = before


def main() -> int:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measuring.CLOTHING, help="the clothing dataset's folder")
    parser.add_argument("--arch", default="mobilenet_v3_small", help="a torchvision network with a .classifier")
    parser.add_argument("--encoder", default="", metavar="SPEC", help="this encoder instead, without the plain loop")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--limit", type=int, default=0, help="only so many photos; 0 = all")
    parser.add_argument("--quiet-wait", type=float, default=60, help="seconds to wait for idle cores before a round")
    asked = parser.parse_args()

    spec = asked.encoder or f"torchvision:arch={asked.arch},weights=none"
    encoder: Encoder = plugins.build("encoders", spec)
    dataset = plugins.build("datasets", f"clothing:root={asked.data}")
    records = list(dataset.records())[: asked.limit or None]
    own_threads = torch.get_num_threads()
    print(f"{measuring.machine()}; torch {torch.__version__}; {len(records):,} photos, {spec}", flush=True)
    if not asked.encoder:
        plain_loop(asked.arch, dataset.root, records[:20], own_threads)  # imports and caches are warm for everybody
    ours(encoder, spec, asked.data, 100)
    few = records[:: max(1, len(records) // PLAIN_PICTURES)]
    names = {
        "b": "read, decode, preprocess, thumbnail alone",
        "a": "encoder alone",
        "c": "ingest: Parquet + Milvus Lite",
    }
    if not asked.encoder:
        names |= {"d": f"plain loop, torch's own {own_threads} threads", "d1": "plain loop, one thread"}
    paces: dict[str, list[Pace]] = {name: [] for name in names}
    arrays: list[np.ndarray] = []
    for turn in range(asked.rounds):
        for name in names:
            measuring.wait_for_quiet(asked.quiet_wait)
            if name == "a":
                pace = encoder_alone(encoder, arrays)
            elif name == "b":
                pace, arrays = reading_alone(encoder, dataset.root, records)
            elif name == "c":
                pace = ours(encoder, spec, asked.data, asked.limit)
            else:
                pace = plain_loop(asked.arch, dataset.root, few, own_threads if name == "d" else 1)
            paces[name].append(pace)
            measuring.say(f"round {turn + 1}: {name} {pace.rate:.0f}/s, others {pace.others:.0%}")
    return report(names, paces, on_gpu=str(getattr(encoder, "device", "cpu")) != "cpu")


def report(names: dict[str, str], paces: dict[str, list[Pace]], *, on_gpu: bool) -> int:
    """Print the table and the verdicts; the exit code."""
    calm = {name: measuring.calmest(paces[name]) for name in names}
    rate = {name: statistics.median(one.rate for one in calm[name]) for name in names}
    processor = {name: statistics.median(one.processor for one in calm[name]) for name in names}
    ideal = min(rate["a"], rate["b"]) if on_gpu else 1 / (1 / rate["a"] + 1 / rate["b"])
    rows: list[tuple[object, ...]] = [
        (name, what, f"{rate[name]:.0f}", _runs(paces[name]), f"{processor[name]:.2f}") for name, what in names.items()
    ]
    formula = "min(a, b)" if on_gpu else "1 / (1/a + 1/b)"
    rows.append(("", f"ideal: {formula}", f"{ideal:.0f}", "", f"{processor['a'] + processor['b']:.2f}"))
    print(measuring.table(("", "", "pictures/s", "all runs (others took)", "processor ms/picture"), rows))
    print(f"in processor time: (a + b) / c = {(processor['a'] + processor['b']) / processor['c']:.2f}")
    met = measuring.verdict("c / ideal", rate["c"] / ideal, IDEAL_SHARE, at_least=True)
    if "d" in rate:
        met &= measuring.verdict("c / d", rate["c"] / rate["d"], TIMES_PLAIN, at_least=True)
        print(f"       c / d1: {rate['c'] / rate['d1']:.2f}")
    return int(not met)


def _runs(paces: Sequence[Pace]) -> str:
    return ", ".join(f"{one.rate:.0f} ({one.others:.0%})" for one in paces)


if __name__ == "__main__":
    sys.exit(main())
