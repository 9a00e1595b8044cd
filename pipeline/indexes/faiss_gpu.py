"""faiss on GPUs, on all that it sees: each holds a part of the rows. It is built on the CPU and copied there."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import numpy as np

from pipeline.indexes import _answers, _faiss
from pipeline.records import AnnIndex

CARD = _faiss.card("faiss on every GPU there is, each with a part of the rows")
USUAL = ("faiss_gpu:index=flat", "faiss_gpu:index=ivf_flat")
NEEDED = "needs an NVIDIA GPU and faiss built for it: conda install -c pytorch -c nvidia faiss-gpu"


def lacking() -> str:
    """What is missing besides faiss itself; '' when it sees a GPU."""
    if importlib.util.find_spec("faiss") is None:
        return NEEDED
    return "" if getattr(_faiss.library(), "get_num_gpus", int)() else NEEDED


def build(*, index: Literal["flat", "ivf_flat"] = "flat", nprobe: int = 0, seed: int = 0, threads: int = 1) -> AnnIndex:
    """index: every row compared, or cells of which nprobe are read; 0 sweeps it."""

    def make(dim: int, n: int) -> Any:
        faiss = _faiss.library()
        if index == "flat":
            return faiss.IndexFlatIP(dim)
        cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, _faiss.cells(n), faiss.METRIC_INNER_PRODUCT)
        return _faiss.inverted(cells, seed=seed)

    def apply(index: Any, settings: dict[str, int], k: int) -> None:
        if settings:
            _faiss.library().GpuParameterSpace().set_index_parameter(index, "nprobe", settings["nprobe"])

    if index == "flat":
        return OnGpus(make, threads=threads)
    sweep = _answers.settings(nprobe=(nprobe, (1, 4, 16, 64)))
    return OnGpus(make, sweep=sweep, grows="root", apply=apply, threads=threads)


class OnGpus(_faiss.Faiss):
    def add(self, embeddings: np.ndarray) -> None:
        super().add(embeddings)
        faiss = _faiss.library()
        options = faiss.GpuMultipleClonerOptions()
        options.shard = True  # a part of the rows on each, not a copy of all
        self._index = faiss.index_cpu_to_all_gpus(self._index, co=options)

    def size_on_disk(self) -> int:
        faiss = _faiss.library()
        return _answers.saved_bytes(lambda path: faiss.write_index(faiss.index_gpu_to_cpu(self._index), str(path)))
