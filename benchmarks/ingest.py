"""How close `ingest` comes to the speed of its two unavoidable parts, and to the loop everybody writes first.

    python -m benchmarks.ingest [--data FOLDER] [--encoder SPEC] [--rounds 3] [--limit N] [--quiet-wait 60]

a  encoder alone: preprocessed arrays, the batches and threads of ingest
b  read, decode, preprocess and thumbnail alone, the threads of ingest (nothing hashed, nothing written)
c  ingest, end to end: dataset listing to settled index, Parquet parts, thumbnails and Milvus Lite in a fresh home
d  the plain loop of Milvus' own image-search tutorial: one photo at a time, PIL, torchvision's transform, a batch of
   one, one row inserted; torch with the threads it takes by itself

All four run in turn, round after round, and the medians count. a and b share the cores of a CPU, so the best possible
is 1 / (1/a + 1/b); beside a GPU it is min(a, b). Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import measuring
from pipeline import images, plugins, sync
from pipeline.gallery import create_gallery
from pipeline.ingest import CHUNK, ingest
from pipeline.parallel import in_order
from pipeline.records import Encoder, ImageRecord
from pipeline.settings import Settings

if TYPE_CHECKING:
    import numpy as np

ENCODER = "torchvision:arch=mobilenet_v3_small,weights=none"
IDEAL_SHARE = 0.8
TIMES_PLAIN = 4.0
PLAIN_PICTURES = 400


def encoder_alone(encoder: Encoder, arrays: Sequence[np.ndarray]) -> float:
    """Pictures per second."""
    import numpy as np

    started = time.perf_counter()
    for _ in in_order(arrays, lambda some: encoder.encode(np.stack(some)), chunk=CHUNK):
        pass
    return len(arrays) / (time.perf_counter() - started)


def reading_alone(encoder: Encoder, root: Path, records: Sequence[ImageRecord]) -> tuple[float, list[np.ndarray]]:
    """Pictures per second, and the preprocessed arrays."""

    def work(some: Sequence[ImageRecord]) -> list[np.ndarray]:
        arrays = []
        for record in some:
            picture = images.open_image(images.read_file(root / record.path))
            images.thumbnail(picture.image)
            arrays.append(encoder.preprocess(picture.image))
        return arrays

    started = time.perf_counter()
    found = [array for arrays in in_order(records, work, chunk=CHUNK) for array in arrays]
    return len(found) / (time.perf_counter() - started), found


def ours(encoder: Encoder, spec: str, data: Path, limit: int) -> float:
    """Pictures per second of a first ingest; opening the store is inside, loading the encoder is not."""
    with tempfile.TemporaryDirectory() as home, _home(home):
        settings = Settings()
        started = time.perf_counter()
        with contextlib.closing(sync.open_store(settings)) as store:
            dataset = plugins.build("datasets", f"clothing:root={data}")
            report = ingest(
                create_gallery("speed", settings), dataset, encoder, spec=spec, store=store, limit=limit
            )
            seconds = time.perf_counter() - started
            assert not report.index, report.index
            assert store.count("speed") == report.added, "the index lacks rows"
    return report.added / seconds


def plain_loop(arch: str, root: Path, records: Sequence[ImageRecord]) -> float:
    """Pictures per second; the network and the collection exist before."""
    import torch
    from PIL import Image
    from pymilvus import MilvusClient
    from torchvision import models

    transform: Any = models.get_model_weights(arch).DEFAULT.transforms()
    network = models.get_model(arch, weights=None).eval()
    [*network.classifier][-1]  # the penultimate layer's output is the embedding, as in ours
    network.classifier[-1] = torch.nn.Identity()
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
        started = time.perf_counter()
        for record in records:
            image = Image.open(root / record.path).convert("RGB")
            with torch.no_grad():
                vector = network(transform(image)[None])[0]
            vector = (vector / vector.norm()).numpy()
            client.insert("plain", {"vector": vector, "filename": record.path})
        seconds = time.perf_counter() - started
        client.close()
    return len(records) / seconds


@contextlib.contextmanager
def _home(folder: str) -> Any:
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="only so many photos; 0 = all")
    parser.add_argument("--quiet-wait", type=float, default=60, help="seconds to wait for idle cores before a round")
    asked = parser.parse_args()

    spec = f"torchvision:arch={asked.arch},weights=none"
    encoder: Encoder = plugins.build("encoders", spec)
    dataset = plugins.build("datasets", f"clothing:root={asked.data}")
    records = list(dataset.records())[: asked.limit or None]
    own_threads = torch.get_num_threads()
    print(f"{measuring.machine()}; torch {torch.__version__}; {len(records):,} photos, {spec}", flush=True)
    plain_loop(asked.arch, dataset.root, records[:20])  # imports and caches are warm for everybody
    reading_alone(encoder, dataset.root, records)
    ours(encoder, spec, asked.data, 100)
    rates: dict[str, list[float]] = {"a": [], "b": [], "c": [], "d": []}
    for turn in range(asked.rounds):
        share = measuring.wait_for_quiet(asked.quiet_wait)
        rate, arrays = reading_alone(encoder, dataset.root, records)
        rates["b"].append(rate)
        rates["c"].append(ours(encoder, spec, asked.data, asked.limit))
        rates["a"].append(encoder_alone(encoder, arrays))
        torch.set_num_threads(own_threads)
        rates["d"].append(plain_loop(asked.arch, dataset.root, records[:: max(1, len(records) // PLAIN_PICTURES)]))
        done = ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in rates.items())
        measuring.say(f"round {turn + 1}: {done} (cores in use before it: {share:.0%})")
    a, b, c, d = (statistics.median(rates[name]) for name in "abcd")
    gpu = getattr(encoder, "device", None) is not None and str(getattr(encoder, "device")) != "cpu"  # noqa: B009
    ideal = min(a, b) if gpu else 1 / (1 / a + 1 / b)
    names = {
        "a": "encoder alone",
        "b": "read, decode, preprocess, thumbnail alone",
        "c": "ingest: Parquet + Milvus Lite",
        "d": f"plain loop, torch with {own_threads} threads",
    }
    rows = [
        (name, what, f"{statistics.median(rates[name]):.0f}", " ".join(f"{one:.0f}" for one in rates[name]))
        for name, what in names.items()
    ]
    rows.append(("", f"ideal, {'min(a, b)' if gpu else '1 / (1/a + 1/b)'}", f"{ideal:.0f}", ""))
    print(measuring.table(("", "pictures per second", "median", "rounds"), rows))
    met = measuring.verdict("c / ideal", c / ideal, IDEAL_SHARE, at_least=True)
    met &= measuring.verdict("c / d", c / d, TIMES_PLAIN, at_least=True)
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
