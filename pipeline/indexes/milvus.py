"""An index of Milvus: of the embedded Lite in a file of its own, or of a server in a collection that goes afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.indexes import _answers
from pipeline.indexes._answers import Metric
from pipeline.plugins import Card
from pipeline.records import AnnIndex
from pipeline.settings import Settings

CARD = Card(
    summary="Milvus: Lite in a file of its own, or a server by uri; every index type that it offers",
    licence="Apache-2.0",
    source="https://milvus.io/docs/index.md",
    requires=("pymilvus",),
    install="pip install pymilvus milvus-lite",
)
Kind = Literal[
    "FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "SCANN", "DISKANN", "AUTOINDEX"
]
_METRICS = {"cosine": "COSINE", "euclidean": "L2", "inner_product": "IP"}
OF_LITE = ("FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8")
OF_A_SERVER = ("FLAT", "HNSW", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "SCANN", "DISKANN")
USUAL = tuple(f"milvus:index={kind}" for kind in OF_LITE)
_BATCH = 8 << 20  # bytes of embeddings sent at a time
_SEARCHED_AT_ONCE = 1_000  # queries in one call
_SECONDS = 1800.0  # of one call: an index is built within it


def build(
    *,
    index: Kind = "HNSW",
    uri: str = "",
    m: int = 16,
    ef_construction: int = 200,
    cells: int = 0,
    ef: int = 0,
    nprobe: int = 0,
    metric: Metric = "cosine",
) -> AnnIndex:
    """uri: http://HOST:19530; empty = Lite. Its token is that of the settings. A type it lacks is an error of Milvus.

    m, ef_construction: of HNSW. cells: of IVF and SCANN; 0 = 4 sqrt(n); Lite 3.2 always takes 128. ef (also DISKANN's
    search list) and nprobe: 0 sweeps them.
    """
    sweep: list[dict[str, int]] = [{}]
    if index in ("HNSW", "HNSW_SQ", "AUTOINDEX", "DISKANN"):
        sweep = _answers.settings(ef=(ef, (16, 32, 64, 128, 256, 512)))
    elif index in ("IVF_FLAT", "IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "SCANN"):
        sweep = _answers.settings(nprobe=(nprobe, (1, 4, 16, 64)))
    return Milvus(index, uri, {"M": m, "efConstruction": ef_construction}, cells, sweep, metric)


class Milvus:
    def __init__(
        self, kind: Kind, uri: str, graph: dict[str, int], cells: int, sweep: Sequence[dict[str, int]], metric: Metric
    ) -> None:
        self.sweep = sweep
        self.grows: Literal["linear", "root", "log"] = (
            "linear" if kind == "FLAT" or not uri else "root" if "nprobe" in sweep[0] else "log"
        )  # Lite goes through all keys in every search
        self._kind, self._uri, self._graph, self._cells, self._settings = kind, uri, graph, cells, dict(sweep[-1])
        self._metric = _METRICS[metric]
        self._client: Any = None
        self._folder = Path()
        self._name = f"compare_{uuid.uuid4().hex}"

    def add(self, embeddings: np.ndarray) -> None:
        client = self._open()
        rows = _at_least_two(embeddings)
        n, dim = rows.shape
        self._n = n
        _make(client, self._name, dim)
        step = max(1, _BATCH // (4 * dim))
        for start in range(0, n, step):
            some = rows[start : start + step]
            client.insert(
                self._name,
                [{"id": start + at, "embedding": row} for at, row in enumerate(some)],
                timeout=_SECONDS,
            )
        client.flush(self._name, timeout=_SECONDS)
        index_params = client.prepare_index_params()
        index_params.add_index(
            "embedding", index_type=self._kind, metric_type=self._metric, params=self._parameters(n, dim)
        )
        client.create_index(self._name, index_params, timeout=_SECONDS)
        client.load_collection(self._name, timeout=_SECONDS)
        if not self._uri:  # Lite compares every row until an index that was built is loaded again
            client.release_collection(self._name, timeout=_SECONDS)
            client.load_collection(self._name, timeout=_SECONDS)

    def tune(self, **settings: int) -> None:
        self._settings = settings

    def search(self, queries: np.ndarray, *, k: int) -> _answers.Answer:
        vectors = list(_at_least_two(queries))
        limit = min(k, self._n)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        rows = np.full((len(vectors), k), -1, np.int64)
        parameters = {"ef": max(self._settings["ef"], limit)} if "ef" in self._settings else self._settings
        if self._kind == "DISKANN":
            parameters = {"search_list": parameters["ef"]}
        if self._kind == "IVF_RABITQ":
            parameters = parameters | {"refine_k": 2}
        for start in range(0, len(vectors), _SEARCHED_AT_ONCE):
            answers = self._client.search(
                self._name,
                vectors[start : start + _SEARCHED_AT_ONCE],
                anns_field="embedding",
                limit=limit,
                output_fields=["id"],
                search_params={"metric_type": self._metric, "params": parameters},
                consistency_level="Bounded",
                timeout=_SECONDS,
            )
            for at, hits in enumerate(answers, start=start):
                values = np.array([hit["distance"] for hit in hits], np.float32)
                scores[at, : len(hits)] = _answers.of_squared(values) if self._metric == "L2" else values
                rows[at, : len(hits)] = [hit["id"] for hit in hits]
        return _answers.padded(scores, rows, k=k)

    def size_on_disk(self) -> int | None:
        """Of Lite all that its folder holds, rows and index; a server does not tell."""
        return None if self._uri else _answers.folder_bytes(self._folder)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(Exception):  # whatever broke it was said before; a server keeps no more than a name
            if self._uri:
                client.drop_collection(self._name, timeout=30)
            client.close()
        if not self._uri:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self) -> Any:
        os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")  # our settings come from the environment alone
        from pymilvus import MilvusClient

        if self._uri:
            self._client = MilvusClient(self._uri, token=Settings().token, timeout=30, dedicated=True)
        else:
            self._folder = Path(tempfile.mkdtemp(prefix="milvus-"))
            self._client = MilvusClient(str(self._folder / "milvus.db"), timeout=_SECONDS, dedicated=True)
        return self._client

    def _parameters(self, n: int, dim: int) -> dict[str, Any]:
        if self._kind in ("HNSW", "HNSW_SQ"):
            return self._graph
        if "nprobe" not in self.sweep[0]:
            return {}
        parameters: dict[str, Any] = {
            "nlist": min(n, self._cells) if self._cells else max(1, min(int(4 * n**0.5), n // 39))
        }
        if self._kind == "IVF_PQ":
            parameters["m"] = max(count for count in range(1, max(1, dim // 8) + 1) if dim % count == 0)
        if self._kind == "IVF_RABITQ":
            parameters |= {"refine": True, "refine_type": "SQ8"}
        return parameters


def _at_least_two(embeddings: np.ndarray) -> np.ndarray:
    """Milvus takes no dim of 1: such rows get a 0 beside it, which changes no cosine."""
    rows = np.ascontiguousarray(embeddings, np.float32)
    return rows if rows.shape[1] > 1 else np.pad(rows, ((0, 0), (0, 1)))


def _make(client: Any, name: str, dim: int) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dim)
    client.create_collection(name, schema=schema, timeout=_SECONDS)
