"""Who encodes the pictures of an ingest: threads of this process, or Ray (ray_engine.py)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from pipeline.errors import UsageError
from pipeline.ingest.encoding import Chunk, Work, encode_chunk
from pipeline.parallel import in_order


class Engine(Protocol):
    def chunks(self, work: Work) -> Generator[Chunk, None, None]:
        """All records in chunks of at most `work.size`, in order, their thumbnails in `work.existing`.

        Leaving early ends all work. A first Ctrl-C is raised between two chunks, as by `parallel.in_order`.
        """


class Threads:
    """Threads of this process. workers: how many; 0 = one a core."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers

    def chunks(self, work: Work) -> Generator[Chunk, None, None]:
        yield from in_order(
            work.records,
            lambda some: encode_chunk(work.root, some, work.encoder, work.existing, work.facts),
            chunk=work.size,
            workers=self.workers,
        )


def choose(kind: str, spec: str, *, workers: int = 0, device: str = "auto", ray_address: str = "") -> Engine:
    """kind: local or ray. UsageError for another one, and for an option that it does not have."""
    if kind == "ray":
        from pipeline.ingest.ray_engine import Ray

        return Ray(spec, address=ray_address or "local", workers=workers, device=device)
    if kind != "local":
        raise UsageError(f"unknown engine {kind!r}; choose local or ray")
    if ray_address:
        raise UsageError("--ray-address is for --engine ray; add that, or leave the address out")
    return Threads(workers)
