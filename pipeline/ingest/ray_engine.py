"""The engine that encodes on a Ray cluster, or on this machine in Ray's processes: `ingest --engine ray`.

Ray Data hands blocks of records to a pool of actors, an actor opens and encodes them in threads, and what comes back
is taken here in the dataset's order: parts and thumbnails are written by this process alone. An actor that dies is
started again by Ray and its blocks are done anew.
"""

from __future__ import annotations

import importlib.util
import math
import pickle
from collections.abc import Generator

from pipeline import ctrl_c, devices
from pipeline.errors import UsageError
from pipeline.ingest.encoding import Chunk, Work, encode_chunk
from pipeline.ingest.ray_actor import EncodingActor, as_bytes
from pipeline.ingest.ray_connection import HERE, connected, prepare

INSTALL = 'pip install "ray[data]"'
CORES = 4  # of an actor without a GPU: more threads than that wait for one another in Python
BLOCK = 4  # chunks in one task of an actor: Ray's own work is paid once a task


class Ray:
    """engines.Engine on Ray. Making one only checks what was asked for.

    address: `local` starts Ray here and ends it afterwards; `auto`, `HOST:PORT` or `ray://HOST:PORT` is a cluster that
    runs. workers: actors; 0 = one a GPU, without GPUs one per 4 cores. device: auto, cpu, or cuda and cuda:all for the
    cluster's GPUs. threads: of each actor; 0 = its share of the cores.
    """

    def __init__(
        self, spec: str, *, address: str = HERE, workers: int = 0, device: str = "auto", threads: int = 0
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UsageError(f"--engine ray needs a library that is not installed: {INSTALL}")
        if device not in ("auto", "cpu", "cuda", devices.EVERY_GPU):
            raise UsageError(
                f"device {device!r}: Ray gives each actor its GPU; choose auto, cpu or {devices.EVERY_GPU}"
            )
        prepare(address)
        self.spec, self.address, self.workers, self.device, self.threads = spec, address, workers, device, threads

    def chunks(self, work: Work) -> Generator[Chunk, None, None]:
        with connected(self.address), ctrl_c.noted() as stopped:
            for packed in self._encoded(work):
                yield _completed(work, *pickle.loads(packed))
                if stopped():
                    raise KeyboardInterrupt

    def _encoded(self, work: Work) -> Generator[bytes, None, None]:
        """One pickled (Chunk, thumbnails) for each chunk of records."""
        import pyarrow as pa
        import ray

        actors, cores, gpus = self._shares()
        threads = self.threads or max(1, int(cores))
        starts = range(0, len(work.records), work.size)
        packed = [pickle.dumps(work.records[start : start + work.size]) for start in starts]
        blocks = [pa.table({"records": packed[i : i + BLOCK]}) for i in range(0, len(packed), BLOCK)]
        if not blocks:
            return
        encoded = ray.data.from_arrow(blocks).map(
            EncodingActor,  # type: ignore[arg-type]  # a class is called once it is made
            fn_constructor_kwargs={
                "root": work.root,
                "facts": work.facts,
                "spec": self.spec,
                "fingerprint": work.encoder.fingerprint,
                "device": "cuda" if gpus else "cpu",
                "known": ray.put(as_bytes(work.known())),
            },
            compute=ray.data.ActorPoolStrategy(
                size=min(actors, len(blocks)),
                max_concurrent_calls_per_actor=threads,
                max_tasks_in_flight_per_actor=2 * threads,
                enable_true_multi_threading=True,
            ),
            num_cpus=cores,
            num_gpus=1 if gpus else 0,
        )
        for row in encoded.iter_rows():
            yield row["chunk"]

    def _shares(self) -> tuple[int, float, bool]:
        """How many actors, the cores of each, and whether each has a GPU."""
        import ray

        there = ray.cluster_resources()
        cores, gpus = there.get("CPU", 1.0), int(there.get("GPU", 0))
        if not gpus and self.device in ("cuda", devices.EVERY_GPU):
            raise UsageError(f"device {self.device!r}: this Ray cluster has no GPU; choose cpu or auto")
        if gpus and self.device != "cpu":
            actors = min(self.workers or gpus, gpus)
            return actors, cores / gpus, True
        actors = self.workers or math.ceil(cores / CORES)
        return actors, cores / actors, False


def _completed(work: Work, chunk: Chunk, thumbnails: list[tuple[str, bytes]]) -> Chunk:
    """The chunk, its thumbnails written; what the actor could not know is done here."""
    for picture_id, thumbnail in thumbnails:
        work.existing.keep(picture_id, thumbnail)
    for picture_id, record in chunk.repeated:
        if not work.existing.is_whole(picture_id):  # its thumbnail was lost
            chunk.rejected += encode_chunk(work.root, [record], work.encoder, work.existing, work.facts).rejected
    return chunk
